// Package suite runs files of simulations: named scenarios with the figures that are expected of them, sweeps over
// settings, negative controls, tables and figures. The format is described at the top of suites/small.toml.
package suite
