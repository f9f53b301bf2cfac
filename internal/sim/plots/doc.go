// Package plots draws the figures of simulations, as PNG for the screen and SVG for print. Equal input gives equal files.
//
// Series differ by colour (Okabe and Ito's palette, which people of all colour vision tell apart), by dashes and by
// markers or hatching, so figures survive a grey print. The legend stands below the axes and hides nothing.
package plots
