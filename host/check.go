package host

// CheckOptions returns the error that New would return for these options, and starts nothing. A program that reads its
// options from a user calls it before it makes a libp2p host.
func CheckOptions(opts ...Option) error {
	_, err := newConfig(opts)
	return err
}
