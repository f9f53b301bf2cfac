package host

// Verified reports whether nothing enters the sample before it has answered. It is false for the preset "paper", whose
// samples hold what was claimed: who counts opinions must not draw from those.
func (s *Service) Verified() bool { return !s.cfg.params.Direct }
