// Package adapters hands the random peers of a Brahms service to what consumes peers in libp2p, and peers that others
// found to the service.
//
// A [Source] is between them. It bounds how many peers it gives at once and over time, whoever asks and how often:
// consumers dial what they are given, and some ask every second. It can be made before there is a host, since some
// consumers are options of libp2p.New, and has nobody until Bind tells it the service:
//
//	src, err := adapters.New()
//	h, err := libp2p.New(libp2p.EnableAutoRelayWithPeerSource(src.PeerSource), libp2p.Routing(src.Routing))
//	svc, err := brahmshost.New(h, ...)
//	err = src.Bind(svc)
//
// What it gives are fresh peers of the service's bank, as long as there are any, and then peers of the sample
// (brahmshost.Service.Random). Only peers of the overlay come from it: which namespace that is, the user says.
//
// The other way round, [SeedsFrom], [SeedsOfTable], [Found] and [PeerFile] are functions for brahmshost.WithDiscover.
//
// docs/adapters.md has a table of all consumers.
package adapters
