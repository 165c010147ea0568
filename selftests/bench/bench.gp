# SPDX-License-Identifier: GPL-2.0-or-later
# Bars for each subject by the size of frames, kernels side by side. Wants dir.

set terminal svg size 1200,800 font "sans,11" background "white"
set output dir."/bench.svg"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set grid noxtics ytics linetype 1 linecolor "#cccccc"
set yrange [0:*]
set xtics rotate by -20
set key outside bottom center horizontal
names = system("cut -d' ' -f2- ".dir."/kernels.dat")
n = words(names)
set multiplot layout 2, n
do for [case in "instr fwd"] {
	set ylabel case eq "instr" ? "instructions per packet" : "packets/s without a loss"
	do for [i = 1:n] {
		set title "kernel ".word(names, i)
		sizes = system(sprintf("head -n 1 %s/%s-%s.dat", dir, case, word(names, i)))
		if (words(sizes) > 1) {
			plot for [c = 2:words(sizes)] sprintf("%s/%s-%s.dat", dir, case, word(names, i)) \
				using c:xtic(1) every ::1 title word(sizes, c)
		}
	}
}
unset multiplot
