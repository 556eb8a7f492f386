# What is installed: liblop with its header, and the program.
get_property(rooms GLOBAL PROPERTY LOP_ROOMS)
