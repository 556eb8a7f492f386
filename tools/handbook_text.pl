#!/usr/bin/perl
# handbook_text.pl HTML_FOLDER OUT_FOLDER: the English text of the Debian Administrator's Handbook as plain paragraphs.
# Odd chapters go to OUT/calib.txt (to calibrate and to train on), even ones to OUT/heldout.txt (to measure on).
use strict;
use warnings;

my ($html, $out) = @ARGV;
die "usage: handbook_text.pl HTML_FOLDER OUT_FOLDER\n" unless defined $out && -d $out;

sub slurp {
    my ($path) = @_;
    open my $f, '<:utf8', $path or die "$path: $!\n";
    local $/;
    return scalar <$f>;
}

# The paragraphs of one page: what stands in <p>, <div class="para">, <dt>, headings and <pre>, tags off, entities decoded.
sub paragraphs {
    my ($page) = @_;
    $page =~ s/<div class="(?:toc|indexterm)".*?<\/div>//gs;
    $page =~ s/<(?:ul|p) class="(?:docnav|index)".*?<\/(?:ul|p)>//gs;
    my @found;
    while ($page =~ /<(p|pre|h[1-6]|dt|div(?= class="para"))\b[^>]*>(.*?)<\/\1>/gs) {
        my ($tag, $text) = ($1, $2);
        $text =~ s/<[^>]*>//g;
        my %entity = (lt => '<', gt => '>', amp => '&', quot => '"', nbsp => ' ', apos => "'");
        $text =~ s/&#(\d+);/chr $1/ge;
        $text =~ s/&(\w+);/exists $entity{$1} ? $entity{$1} : ''/ge;
        $text =~ s/\x{a0}/ /g;
        $text =~ s/\s+/ /g unless $tag eq 'pre';
        $text =~ s/^\s+|\s+$//g;
        push @found, $text if length $text > 1;
    }
    return @found;
}

my $index = slurp("$html/index.html");
my (%seen, %text);
my $chapter = 0;
while ($index =~ /<span class="(chapter|appendix|section|preface|index)"><a href="([^"#]+)/g) {
    my ($kind, $file) = ($1, $2);
    $chapter++ if $kind eq 'chapter';
    last if $kind eq 'appendix' or $kind eq 'index';
    next if $chapter == 0 or $seen{$file}++;
    $text{$chapter % 2} .= join("\n\n", paragraphs(slurp("$html/$file"))) . "\n\n";
}
die "no chapters found in $html/index.html\n" unless $chapter > 1;
for my $half (['calib.txt', 1], ['heldout.txt', 0]) {
    open my $f, '>:utf8', "$out/$half->[0]" or die "$out/$half->[0]: $!\n";
    print $f $text{$half->[1]};
    close $f or die "$out/$half->[0]: $!\n";
}
