package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/adapters"
	"github.com/brahms-p2p/brahms-p2p/consensus"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/spread"
)

// defaultLeaveWithin is how long a peer that is interrupted goes on answering that it leaves, at most. Docker waits 10 s
// before it kills.
const defaultLeaveWithin = 5 * time.Second

// maxLeaveWithin only stops slips of the keyboard.
const maxLeaveWithin = time.Hour

// roundQueue is how many rounds may wait to be printed. When nobody reads our output for longer, rounds go unprinted:
// the peer itself does not wait.
const roundQueue = 64

var defaultListen = []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"}

func runCommand(stdout, stderr io.Writer) *cli.Command {
	flags := []cli.Flag{
		listFlag(inNetwork, "listen", defaultListen, "`MULTIADDR` to listen on; may be repeated"),
		listFlag(inNetwork, "bootstrap", nil, "`MULTIADDR` of a peer to start from, ending in /p2p/ID; /dnsaddr is allowed; may be repeated"),
		stringFlag(inNetwork, "identity", "", "`FILE` with the peer's private key, made if there is none; without it and --data the peer is another one each time"),
		stringFlag(inNetwork, "data", "", "`DIR` that keeps the peer's state, and its identity unless --identity names it, over restarts; made if there is none"),
		boolFlag(inNetwork, "reset-state", "start with a new sample; the state in --data is kept there under another name"),
		boolFlag(inNetwork, "allow-private", "take private and loopback addresses from other peers and tell our own: for a network on one machine or LAN"),
		durationFlag(inProtocol, "interval", brahmshost.DefaultInterval, "`LENGTH` of a round; all peers should use the same"),
		durationFlag(inProtocol, "leave-within", defaultLeaveWithin, "`TIME` for which an interrupted peer tells others that it leaves; 0 ends it at once. Most have asked after six rounds"),
	}
	flags = append(flags, natFlags()...)
	flags = append(flags, protocolFlags(fmt.Sprintf("as --l1, %d with --agree-epoch", consensus.SampleSize))...)
	flags = append(flags, hostileFlags()...)
	flags = append(flags,
		stringFlag(inProtocol, "hash", "aes", "hash of the samplers by `NAME`: aes, sip, sha256, or farm among trusted peers only"),
		stringFlag(inMessages, "topic", defaultTopic, "`NAME` of the topic of the messages that are sent and printed"),
		boolFlag(inMessages, "no-input", "send no messages: the standard input is not read"),
		durationFlag(inAgree, "agree-epoch", 0, "agree on a set of words in each `LENGTH` of time, by the clock; all peers must use the same; 0 is never"),
		listFlag(inAgree, "proposers", nil, "`ID` of a peer whose words are taken, and no other's; all peers must use the same; may be repeated; without it everybody's are"),
		stringFlag(inProtocol, "prefix", "", "`PREFIX` of the protocol ids, such as /myapp: peers with another one are another network"),
		boolFlag(inOutput, "json", "print one JSON object a line"),
		httpFlag("a live page, health, metrics and profiles"),
		boolFlag(inOutput, "reach", "print with each round how each peer of the sample is reached, and what became of hole punching"),
		stringFlag(inOutput, "log-level", "error", "`LEVEL` of the service's log on stderr: debug, info, warn, error (of libp2p's: GOLOG_LOG_LEVEL)"),
	)
	return &cli.Command{
		Name:  "run",
		Usage: "run one peer until it is interrupted",
		Description: `Prints the peer's id and addresses, then a line for each round: what became of the view, how many peers stand in view
and sample, and what arrived. Before it, where that has changed, what troubles the peer and why: it is young, alone,
isolated, doubting, overloaded, saturated, private, unreachable, or among peers that misbehave.

Each line on the standard input is a message: it reaches all peers of the network that run with the same --topic, and
each prints it once, with the id of the peer that it is from. The end of the input does not end the peer. A process in the
background of a terminal should have --no-input.

With --agree-epoch all peers that have it agree, in each epoch, on a set of words. The line "propose WORD" proposes one
in the next epoch, and the set of an epoch is printed once it is decided: the same at all peers. That takes about half an
epoch; with many faulty peers, up to three or not at all. It needs 5 peers and more, and clocks that are right to a tenth
of an epoch. --data keeps what was decided. Ids are free, and whoever runs 32 can fill an epoch: among strangers say
whose words are taken, with --proposers.

SIGINT or SIGTERM makes the peer tell those who ask that it is leaving, until nobody new has asked for two rounds
or --leave-within is over, and exit; a second one ends it at once. The last line says which it was.

Examples:

    brahms-p2p run --data peer --listen /ip4/0.0.0.0/tcp/4001
    brahms-p2p run --allow-private --interval 1s --bootstrap /ip4/192.168.1.5/tcp/4001/p2p/12D3KooW...
    brahms-p2p run --agree-epoch 1m --bootstrap /ip4/198.51.100.7/tcp/4001/p2p/12D3KooW...
    echo hello | brahms-p2p run --allow-private --bootstrap /ip4/192.168.1.5/tcp/4001/p2p/12D3KooW...
    brahms-p2p run --bootstrap /dnsaddr/example.org/p2p/12D3KooW... --prefix /myapp --json
    brahms-p2p run --token-bits 16 --token-budget 0.1 --diversity 0.5
    brahms-p2p run --data peer --http 7780
    brahms-p2p run --bootstrap /ip4/198.51.100.7/tcp/4001/p2p/12D3KooW... --relay /ip4/198.51.100.7/tcp/4001/p2p/12D3KooW... --reach

With --http it serves a live page at /, /healthz, /readyz (200 once peers have answered and the peer is not isolated),
/debug/metrics/prometheus, /debug/brahms (JSON) and /debug/pprof/. It has no password.

Objects of --json:

    {"event":"started","id":ID,"addrs":[MULTIADDR...],"restored":N}
    {"event":"addresses","addrs":[MULTIADDR...]}
    {"event":"http","url":URL}
    {"event":"health","round":N,"health":[{"condition":WORD,"reason":TEXT}...]}
    {"event":"message","id":HEX,"origin":ID,"topic":TEXT,"time":TEXT,"text":TEXT}
    {"event":"proposed","epoch":N,"id":HEX,"text":TEXT}
    {"event":"agreed","epoch":N,"items":[{"id":HEX,"origin":ID,"text":TEXT}...]}
    {"event":"agreement","epoch":N,"phase":WORD}
    {"event":"round","round":N,"outcome":WORD,"view":[ID...],"sample":[ID...],"pushes":N,"pulls":N,"probes":N,"picks":N,
     "refused":{WORD:N...}}
    {"event":"peers","round":N,"peers":[{"id":ID,"addrs":[MULTIADDR...],"proven":BOOL,"connection":WORD,"pushed":BOOL}...]}
    {"event":"direct","peer":ID,"by":WORD,"success":BOOL,"seconds":N,"error":TEXT}
    {"event":"leaving","within":SECONDS}
    {"event":"left","how":WORD,"seconds":N}

restored is how many peers of the sample come from --data: each counts once it has answered again.
view has one id a slot, sample distinct ids; pushes were accepted from others in the closed round, pulls are replies
used, probes those answered, picks the fresh peers that can be handed out (--bank), refused what others sent since
the start and was refused, by reason. health is printed when it has changed and empty when all is well, addresses when
they have changed, peers with --reach: those of the sample, proven if one answered a dial of ours, connection direct,
relayed or none at the end of the round, pushed if it pushed in it. direct, with --reach too, is how an attempt ended to
get from a relayed connection to a direct one: by punch is hole punching, by dial that of a public address.
outcome is renewed, refilled, kept_overload, kept_no_push, kept_no_pull or alone.
phase is too_few, full or stalled: why an epoch is not decided. time is by the origin's clock; a message or item that is
no text has data, in base64, in place of text.
how is quiet when nobody new asked any more, timeout when --leave-within was over first, and closed when it was 0.`,
		Flags: flags,
		Action: action(func(ctx context.Context, cmd *cli.Command) error {
			return run(ctx, cmd, stdout, stderr)
		}),
	}
}

func run(ctx context.Context, cmd *cli.Command, stdout, stderr io.Writer) error {
	listen, err := listenAddrs(cmd.StringSlice("listen"))
	if err != nil {
		return err
	}
	seeds, err := peersOf("bootstrap", cmd.StringSlice("bootstrap"))
	if err != nil {
		return err
	}
	relays, err := adapters.New() // in advance, since it is an option of the host
	if err != nil {
		return err
	}
	direct := newAttempts(cmd.Bool("reach"))
	nat, err := natOptions(cmd, listen, relays, direct)
	if err != nil {
		return err
	}
	level, err := logging.Parse(cmd.String("log-level"))
	if err != nil {
		return usagef("log-level=%q must be debug, info, warn or error", cmd.String("log-level"))
	}
	within := cmd.Duration("leave-within")
	if within < 0 || within > maxLeaveWithin {
		return usagef("leave-within=%v must be between 0 and %v", within, maxLeaveWithin)
	}
	topic, prefix := cmd.String("topic"), spread.WithProtocolPrefix(cmd.String("prefix"))
	if err := spread.CheckTopic(topic); err != nil {
		return usageError{err}
	}
	page, err := newWeb(cmd)
	if err != nil {
		return err
	}
	rounds := make(chan *brahmshost.Snapshot, roundQueue)
	interval := cmd.Duration("interval")
	opts := append(append(append(agreeOptions(cmd), protocolOptions(cmd)...), hostileOptions(cmd)...),
		brahmshost.WithRoundInterval(interval),
		brahmshost.WithHash(cmd.String("hash")),
		brahmshost.WithProtocolPrefix(cmd.String("prefix")),
		brahmshost.WithAllowPrivate(cmd.Bool("allow-private")),
		brahmshost.WithBootstrap(seeds...),
		brahmshost.WithRoundHook(func(s *brahmshost.Snapshot) {
			select {
			case rounds <- s:
			default:
			}
		}),
	)
	if err := brahmshost.CheckOptions(opts...); err != nil {
		return usageError{err}
	}
	if err := checkAgreement(cmd); err != nil {
		return err
	}
	opts = append(opts, brahmshost.WithLeaveQuiet(leaveQuiet(interval, within)))
	store, key, err := personal(cmd, stderr)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close() // after the service
		opts = append(opts, brahmshost.WithStateDir(store))
	}
	logging.SetAllLoggers(level)
	agree, err := newAgreement(cmd, page, stderr)
	if err != nil {
		return err
	}
	defer agree.close() // after the service
	watching, err := page.options()
	if err != nil {
		return err
	}
	opts = append(opts, watching...)
	if err := page.open(); err != nil {
		return err
	}
	defer page.close() // if nothing comes of the peer
	if err := checkListen(listen); err != nil {
		return err
	}

	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	brahmshost.SetDefaultServiceLimits(&limits, cmd.String("prefix"))
	spread.SetDefaultServiceLimits(&limits, cmd.String("prefix"))
	consensus.SetDefaultServiceLimits(&limits, cmd.String("prefix"))
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()))
	if err != nil {
		return fmt.Errorf("start the resource manager: %w", err)
	}
	h, err := libp2p.New(append(nat,
		libp2p.ResourceManager(manager), // the host closes it
		libp2p.Identity(key), libp2p.ListenAddrs(listen...), libp2p.UserAgent(name+"/"+version()),
	)...)
	if err != nil {
		return fmt.Errorf("start libp2p: %w", err)
	}
	defer h.Close()
	svc, err := brahmshost.New(h, opts...)
	if err != nil {
		return err
	}
	defer svc.Close()
	if err := relays.Bind(svc); err != nil {
		return err
	}
	messages, err := spread.New(h, svc, prefix)
	if err != nil {
		return err
	}
	defer messages.Close() // before the service
	sub, err := messages.Subscribe(topic, spread.WithBackPressure())
	if err != nil {
		return err
	}
	if err := page.messages(messages); err != nil {
		return err
	}
	if err := agree.start(h, svc); err != nil {
		return err
	}
	defer agree.end() // before the service

	out := &reporter{w: stdout, json: cmd.Bool("json")}
	if err := out.started(h, sameNetwork(cmd), svc.Status().State.Restored); err != nil {
		return err
	}
	if err := page.serveNode(svc, interval, out, stderr); err != nil {
		return err
	}
	defer page.close() // before the service
	if svc.Snapshot().Private && !cmd.Bool("allow-private") {
		fmt.Fprintf(stderr, "%s: this peer has only private addresses, so no other peer will learn of it before a relay takes its calls; on a private network start all peers with --allow-private\n", name)
	}
	turn := make(chan struct{}, 1) // a round is over
	if !cmd.Bool("no-input") {
		in := input{from: cmd.Root().Reader, to: messages, topic: topic, turn: turn, stderr: stderr, agree: agree}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go in.run(ctx)
	}
	for {
		select {
		case s := <-rounds:
			select {
			case turn <- struct{}{}:
			default:
			}
			if err := errors.Join(out.addresses(h), out.round(s, svc.Status().Refused), out.peers(h, s, cmd.Bool("reach"))); err != nil {
				return err
			}
		case e := <-direct:
			if err := out.direct(e); err != nil {
				return err
			}
		case m := <-sub.Messages():
			if err := out.message(m, sub.Dropped()); err != nil {
				return err
			}
		case e := <-agree.events():
			if err := out.agreement(agree, e); err != nil {
				return err
			}
		case item := <-agree.proposals():
			if err := out.proposed(item); err != nil {
				return err
			}
		case <-ctx.Done():
			return leave(svc, within, out)
		}
	}
}

// sameNetwork is the command that starts another peer of this peer's network, but for the address to start from: the flags
// on which peers must agree are as they are here.
func sameNetwork(cmd *cli.Command) string {
	text := cmd.FullName()
	for _, flag := range []string{"allow-private", "interval", "prefix", "preset", "l1", "token-bits", "agree-epoch"} {
		if !cmd.IsSet(flag) {
			continue
		}
		if text += " --" + flag; flag != "allow-private" {
			text += fmt.Sprintf(" %v", cmd.Value(flag))
		}
	}
	for _, id := range cmd.StringSlice("proposers") {
		text += " --proposers " + id
	}
	return text
}

// leaveQuiet is for how long nobody new must have asked: two rounds, but what comes within half of the time must do.
func leaveQuiet(interval, within time.Duration) time.Duration {
	return min(max(time.Millisecond, min(2*interval, within/2)), 10*time.Minute)
}

// leave ends the service politely. That others still ask when time is up is no failure.
func leave(svc *brahmshost.Service, within time.Duration, out *reporter) error {
	if within == 0 {
		if err := svc.Close(); err != nil {
			return err
		}
		return out.left(leftClosed, 0)
	}
	if err := out.leaving(within); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	began, how := time.Now(), leftQuiet
	if err := svc.Leave(ctx); errors.Is(err, context.DeadlineExceeded) {
		how = leftTimeout
	} else if err != nil {
		return err
	}
	if err := svc.Close(); err != nil { // it is closed already: the state could not be written, also when time was up
		return err
	}
	return out.left(how, time.Since(began))
}

// listenAddrs parses --listen.
func listenAddrs(texts []string) ([]multiaddr.Multiaddr, error) {
	addrs := make([]multiaddr.Multiaddr, len(texts))
	for i, text := range texts {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, usagef("listen=%q must be a multiaddr such as /ip4/0.0.0.0/tcp/4001: %w", text, err)
		}
		if code := a[0].Code(); code != multiaddr.P_IP4 && code != multiaddr.P_IP6 {
			return nil, usagef("listen=%q must begin with /ip4 or /ip6", text)
		}
		addrs[i] = a
	}
	return addrs, nil
}

// peersOf parses the addresses of a flag that names peers; those of one peer come together.
func peersOf(flag string, texts []string) ([]peer.AddrInfo, error) {
	addrs := make([]multiaddr.Multiaddr, len(texts))
	for i, text := range texts {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, usagef("%s=%q must be a multiaddr such as /ip4/192.0.2.1/tcp/4001/p2p/ID: %w", flag, text, err)
		}
		info, err := peer.AddrInfoFromP2pAddr(a)
		if err != nil {
			return nil, usagef("%s=%q must end in /p2p/ID, the id of the peer", flag, text)
		}
		if len(info.Addrs) == 0 {
			return nil, usagef("%s=%q must say where the peer is, not only its id", flag, text)
		}
		addrs[i] = a
	}
	return peer.AddrInfosFromP2pAddrs(addrs...)
}

func allLoopback(addrs []multiaddr.Multiaddr) bool {
	for _, a := range addrs {
		if !manet.IsIPLoopback(a) {
			return false
		}
	}
	return true
}
