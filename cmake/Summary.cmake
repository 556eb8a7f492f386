# What is on, and why the rest is off.
