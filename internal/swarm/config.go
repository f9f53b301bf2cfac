package swarm

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// The transports of Config.Transport.
const (
	TCP  = "tcp"
	QUIC = "quic"
)

// MaxPeers bounds how many peers a run may hold at once. Every pair of peers may end up connected, at .15 to .2 MB a
// connection: 1,000 peers want some 100 GB in the worst case, so the bound only stops slips of the keyboard.
const MaxPeers = 1024

// MaxRounds bounds the length of a run, for the same reason.
const MaxRounds = 1_000_000

// MaxAttackRate bounds Config.AttackRate: beyond it the limit is the machine.
const MaxAttackRate = 100_000

// MaxChurn bounds Config.Churn. Beyond it hosts start and end all the time.
const MaxChurn = .25

// MaxAttackCompute bounds Config.AttackCompute likewise.
const MaxAttackCompute = 1000

// MaxMessages bounds Config.Messages, for the reason of MaxRounds.
const MaxMessages = 1_000_000

// Config says what swarm to run. Start from Default: the zero value is invalid.
type Config struct {
	Peers     int           // at the start, 2 to MaxPeers
	Rounds    int           // length of the run in intervals, 1 to MaxRounds
	Interval  time.Duration // of a round, as brahmshost.WithRoundInterval has it
	Transport string        // TCP or QUIC

	Kill   float64 // share of the first peers that die at once, 0 to below 1; the number is rounded
	KillAt int     // in which round: 1 to Rounds-1; not looked at when nobody dies
	Join   int     // newcomers, 0 to MaxPeers-Peers; each knows one live peer
	JoinAt int     // in which round the first comes, the others within one interval: as KillAt

	// Churn is the share of the correct peers of the start that die without a word each round, 0 to MaxChurn, and are
	// replaced by as many newcomers, each of which knows one live peer. It begins after MaturityRounds.
	Churn float64

	Leave   float64 // share of the first peers that leave politely, 0 to below 1; the number is rounded
	LeaveAt int     // in which round: as KillAt

	// PartitionAt is the round in which the first half of the peers and the second half lose each other, 0 for never, and
	// HealAt the later round from which they can dial each other again. Over TCP only, without newcomers or an attack.
	PartitionAt, HealAt int

	L1, L2 int    // sizes of view and sample; 0 takes the default of the service
	Preset string // parameters by name; "" takes the default of the service

	Faulty     float64 // share of the first peers that are faulty, 0 to below 1; the number is rounded
	Attack     string  // what they do: one of attack.Names; "" is attack.None
	AttackRate float64 // operations a second of each faulty peer, above 0 to MaxAttackRate; 0 will do without an attack
	TokenBits  int     // difficulty of push tokens; 0 is none
	// AttackCompute is how many attempts at tokens each faulty peer makes a round, in those that a correct one needs for
	// alpha*l1 pushes in the mean: 0 to MaxAttackCompute. It is not looked at without tokens.
	AttackCompute float64

	// Seed fixes identities, who is faulty, who is killed, whom the newcomers know, and the jitter of rounds. What remains to chance:
	// the keys of the samplers, which stay secret, ports, and the scheduling of goroutines.
	Seed uint64

	// Messages is how many messages are spread when the rounds are over, one after the other, each by a random correct peer:
	// 0 to MaxMessages. Faulty peers take them and drop them, whatever their attack is.
	Messages int

	// Agree is how many random correct peers propose a word each when the rounds are over, 0 to 256; all then agree on a set.
	// AgreeAttack is what faulty peers do to that: one of attack.Dissents; "" is attack.None. AgreeInterval is the length of a
	// round of the agreement, AgreeStall after how many polls a peer counts as stalled; 0 is machine.Default.
	Agree         int
	AgreeAttack   string
	AgreeInterval time.Duration
	AgreeStall    int

	// Levels is how many times in the run, evenly spread, Summary.Levels is measured: 0 to Rounds. Each takes a garbage
	// collection.
	Levels int

	// Console, unless nil, lets others look at the run while it lasts.
	Console *Console
	// Tracer, unless nil, makes the tracer of a peer's service; the function that it returns is called when that has ended.
	Tracer func(number int) (brahmshost.Tracer, func(), error)
	// Linger, unless nil, is called from Run's goroutine with the summary, and the swarm then goes on until Run's context
	// ends, which is no error any more.
	Linger func(*Summary)

	// Progress, unless nil, is called from Run's goroutine after each peer that started and after each round.
	Progress func(Progress)
	// Agreeing, unless nil, is called likewise once a round of the agreement, with how many of the peers have closed the epoch.
	Agreeing func(round, closed, peers int)
}

// Progress is how far a run has come.
type Progress struct {
	Started int // peers of the first Config.Peers that are up
	Round   int // rounds that are over, of Config.Rounds; 0 while peers start
	Live    int // peers that are up now
}

// Default returns the run that the command line starts from.
func Default() Config {
	return Config{
		Peers: 64, Rounds: 40, Interval: 250 * time.Millisecond, Transport: TCP, KillAt: 20, JoinAt: 25, LeaveAt: 20,
		Attack: attack.None, AttackRate: 100, AttackCompute: 1, Seed: 1,
		AgreeInterval: time.Second,
	}
}

// faulty is the number of faulty peers.
func (c Config) faulty() int { return int(math.Round(c.Faulty * float64(c.Peers))) }

// killed is the number of peers that die. They are correct ones.
func (c Config) killed() int { return int(math.Round(c.Kill * float64(c.Peers-c.faulty()))) }

// leaving is the number of peers that leave. They are correct ones.
func (c Config) leaving() int { return int(math.Round(c.Leave * float64(c.Peers-c.faulty()))) }

// attacked reports whether the faulty peers do not behave.
func (c Config) attacked() bool { return c.Attack != "" && c.Attack != attack.None }

// Validate returns an error that names value and rule for everything that is wrong; it is one line.
func (c Config) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Peers >= 2 && c.Peers <= MaxPeers, "peers=%d must be between 2 and %d", c.Peers, MaxPeers)
	bad(c.Rounds >= 1 && c.Rounds <= MaxRounds, "rounds=%d must be between 1 and %d", c.Rounds, MaxRounds)
	bad(c.Transport == TCP || c.Transport == QUIC, "transport=%q must be %s or %s", c.Transport, TCP, QUIC)
	errs = append(errs, c.validateFaulty()...)
	bad(c.Kill >= 0 && c.Kill < 1, "kill=%v must be at least 0 and below 1", c.Kill)
	bad(c.Join >= 0 && c.Join <= MaxPeers-c.Peers, "join=%d must be at least 0, and peers+join at most %d", c.Join, MaxPeers)
	if c.Kill > 0 && c.Kill < 1 {
		bad(c.killed() < c.Peers-c.faulty(), "kill=%v of peers=%d must leave a correct peer alive", c.Kill, c.Peers-c.faulty())
		bad(c.KillAt >= 1 && c.KillAt < c.Rounds, "kill-at=%d must be at least 1 and below rounds=%d", c.KillAt, c.Rounds)
	}
	errs = append(errs, c.validateGoing()...)
	if c.Join > 0 {
		bad(c.JoinAt >= 1 && c.JoinAt < c.Rounds, "join-at=%d must be at least 1 and below rounds=%d", c.JoinAt, c.Rounds)
	}
	bad(c.Churn >= 0 && c.Churn <= MaxChurn, "churn=%v must be between 0 and %v", c.Churn, MaxChurn)
	bad(c.Levels >= 0 && c.Levels <= c.Rounds, "levels=%d must be between 0 and rounds=%d", c.Levels, c.Rounds)
	bad(c.Messages >= 0 && c.Messages <= MaxMessages, "message=%d must be between 0 and %d", c.Messages, MaxMessages)
	errs = append(errs, c.validateAgree()...)
	if c.Faulty >= 0 && c.Faulty < 1 && c.Peers >= 2 {
		bad(c.Peers-c.faulty() >= 2, "faulty=%v of peers=%d must leave 2 correct peers", c.Faulty, c.Peers)
	}
	if err := brahmshost.CheckOptions(c.serviceOptions()...); err != nil {
		errs = append(errs, errors.New(strings.TrimPrefix(err.Error(), "brahms: ")))
	}
	if len(errs) == 0 {
		return nil
	}
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return fmt.Errorf("swarm: %s", strings.Join(texts, "; "))
}

// validateGoing says what is wrong with those that leave and with the partition.
func (c Config) validateGoing() (errs []error) {
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Leave >= 0 && c.Leave < 1, "leave=%v must be at least 0 and below 1", c.Leave)
	if c.Leave > 0 && c.Leave < 1 {
		bad(c.killed()+c.leaving() < c.Peers-c.faulty(), "kill=%v and leave=%v of peers=%d must leave a correct peer alive", c.Kill, c.Leave, c.Peers-c.faulty())
		bad(c.LeaveAt >= 1 && c.LeaveAt < c.Rounds, "leave-at=%d must be at least 1 and below rounds=%d", c.LeaveAt, c.Rounds)
	}
	bad(c.PartitionAt >= 0 && c.PartitionAt < max(c.Rounds, 1), "partition-at=%d must be at least 0 and below rounds=%d", c.PartitionAt, c.Rounds)
	if c.PartitionAt <= 0 {
		return errs
	}
	bad(c.HealAt > c.PartitionAt && c.HealAt < c.Rounds, "heal-at=%d must be above partition-at=%d and below rounds=%d", c.HealAt, c.PartitionAt, c.Rounds)
	bad(c.Transport == TCP && c.Join == 0 && c.Churn == 0 && !c.attacked(), "partition-at=%d needs transport=%s, join=0, churn=0 and attack=%s", c.PartitionAt, TCP, attack.None)
	return errs
}

// validateFaulty says what is wrong with faulty peers and their attack.
func (c Config) validateFaulty() (errs []error) {
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Faulty >= 0 && c.Faulty < 1, "faulty=%v must be at least 0 and below 1", c.Faulty)
	bad((c.AttackRate > 0 || c.AttackRate == 0 && !c.attacked()) && c.AttackRate <= MaxAttackRate,
		"attack-rate=%v must be above 0 and at most %d", c.AttackRate, MaxAttackRate)
	bad(c.AttackCompute >= 0 && c.AttackCompute <= MaxAttackCompute,
		"attack-compute=%v must be between 0 and %d", c.AttackCompute, MaxAttackCompute)
	if !c.attacked() {
		return errs
	}
	if err := attack.Check(c.Attack); err != nil {
		return append(errs, err)
	}
	if c.Faulty >= 0 && c.Faulty < 1 {
		bad(c.faulty() > 0, "attack=%q needs faulty peers, and faulty=%v of peers=%d makes none", c.Attack, c.Faulty, c.Peers)
	}
	bad(!attack.NeedsVictim(c.Attack) || c.Transport == TCP, "attack=%q needs transport=%s: its victim is a TCP server", c.Attack, TCP)
	return errs
}

// swarmWorkers is how many peers each peer contacts at once. All share one machine: more at once do not finish more, they only
// finish later, and a reply that comes after its round is lost. With the service's default of 32 a swarm of 64 has 2,000
// exchanges under way while it dials its mesh, and pairs dial each other at the same moment: 2,600 dials for 2,016 pairs,
// as against 2,200 with 8 and 2,070 with 2. A dead peer that has to time out holds a worker, so 2 are too few.
const swarmWorkers = 4

// workers adds one for each faulty peer, up to the service's default, which reckons with peers that let theirs wait.
func (c Config) workers() int {
	return min(swarmWorkers+c.faulty(), max(swarmWorkers, brahmshost.DefaultWorkers))
}

// serviceOptions are the options that all services share.
func (c Config) serviceOptions() []brahmshost.Option {
	opts := []brahmshost.Option{
		brahmshost.WithRoundInterval(c.Interval),
		brahmshost.WithAllowPrivate(true), // all are on loopback
		brahmshost.WithCloseIdle(0),       // a dial costs 2.4 ms, and 16 times the default rate of rounds would redo it
		brahmshost.WithDialTimeout(c.dialTimeout()),
		brahmshost.WithWorkers(c.workers()),
		brahmshost.WithPushTokens(c.TokenBits),
	}
	if c.faulty() > 0 {
		opts = append(opts, brahmshost.WithExchangeTimeout(c.dialTimeout())) // for the same reason
	}
	if c.L1 != 0 {
		opts = append(opts, brahmshost.WithViewSize(c.L1))
	}
	if c.L2 != 0 {
		opts = append(opts, brahmshost.WithSampleSize(c.L2))
	}
	if c.Preset != "" {
		opts = append(opts, brahmshost.WithPreset(c.Preset))
	}
	return opts
}

// dialTimeout follows the interval: a QUIC dial of a dead peer is heard of only when it times out, and at the service's
// default of 5 s that were twenty rounds of 250 ms for each of the two misses that death takes.
func (c Config) dialTimeout() time.Duration {
	return min(max(4*c.Interval, time.Second), brahmshost.DefaultDialTimeout)
}
