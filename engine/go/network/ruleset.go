package network

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// A Ruleset says what the node must enforce. It is plain data, so that tests
// can send imaginary packets through it; nftables.go writes it to the kernel.
type Ruleset struct {
	// Sets of addresses ("10.244.0.5") or of addresses joined to something
	// else ("10.244.0.5 . 8080"), by name.
	Sets map[string]Set
	// Chains of rules, by name: one per policy and direction, which accepts or
	// returns, and one per combination of policies, which tries each in turn
	// and then denies.
	Chains map[string][]Rule
	// Isolated gives, for each address of this node's isolated pods, the chain
	// that decides about its traffic.
	Isolated map[Direction]map[netip.Addr]string
}

// Direction is seen from the pod that a policy selects.
type Direction string

const (
	Ingress Direction = "ingress"
	Egress  Direction = "egress"
)

var directions = []Direction{Egress, Ingress}

// subject is the end of a packet whose pod may be isolated; peer is the other.
func (d Direction) subject() string {
	if d == Ingress {
		return "daddr"
	}
	return "saddr"
}

func (d Direction) peer() string {
	if d == Ingress {
		return "saddr"
	}
	return "daddr"
}

// Family tells IPv4 from IPv6; the zero value stands for both.
type Family string

const (
	IPv4 Family = "4"
	IPv6 Family = "6"
)

var families = []Family{IPv4, IPv6}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// header is how nftables calls the family's packet header.
func (f Family) header() string {
	if f == IPv4 {
		return "ip"
	}
	return "ip6"
}

func (f Family) addressType() string { return "ipv" + string(f) + "_addr" }

// hairpinSet names the set of pairs (A, A) of isolated pods: a pod may always
// reach itself through its Service.
func hairpinSet(f Family) string { return "itself" + string(f) }

type Set struct {
	Type     string // of nftables, e.g. "ipv4_addr . inet_service"
	Comment  string
	Elements map[string]bool
}

// A Rule matches a packet when every condition that is set holds.
type Rule struct {
	Direction Direction // which end of the packet is the peer
	Family    Family

	// Conditions on the peer.
	PeerSet string       // its address is in this set
	Block   netip.Prefix // its address is in this block …
	Except  []netip.Prefix
	// Conditions on the destination port.
	Protocol  string // tcp, udp or sctp
	Ports     []PortRange
	NamedPort string // the set of (address, port) that carry the name

	// What to do: Jump to a policy's chain, Accept, or Deny.
	Jump   string
	Accept bool
	Deny   bool
}

type PortRange struct{ First, Last uint16 }

// String writes the rule in the syntax of nftables.
func (r Rule) String() string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	peer := r.Family.header() + " " + r.Direction.peer()
	if r.PeerSet != "" {
		add("%s @%s", peer, r.PeerSet)
	}
	switch {
	case !r.Block.IsValid():
	case r.Block.Bits() == 0:
		add("meta nfproto ipv%s", r.Family)
	default:
		add("%s %s", peer, r.Block)
	}
	if len(r.Except) > 0 {
		add("%s != { %s }", peer, join(r.Except))
	}
	switch {
	case r.NamedPort != "":
		add("%s daddr . %s dport @%s", r.Family.header(), r.Protocol, r.NamedPort)
	case len(r.Ports) > 0:
		add("%s dport { %s }", r.Protocol, join(r.Ports))
	case r.Protocol != "":
		add("meta l4proto %s", r.Protocol)
	}
	switch {
	case r.Jump != "":
		add("jump %s", r.Jump)
	case r.Accept:
		add("accept")
	case r.Deny:
		add("goto %s", denyChain)
	}
	return strings.Join(words, " ")
}

func (p PortRange) String() string {
	if p.First == p.Last {
		return fmt.Sprint(p.First)
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

func join[T fmt.Stringer](items []T) string {
	var words []string
	for _, item := range items {
		words = append(words, item.String())
	}
	return strings.Join(words, ", ")
}

// mergePorts sorts ranges and joins those that touch: nftables refuses
// overlapping ones.
func mergePorts(ranges []PortRange) []PortRange {
	slices.SortFunc(ranges, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	var merged []PortRange
	for _, r := range ranges {
		if n := len(merged); n > 0 && int(r.First) <= int(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

// widest keeps the blocks that no other one contains: two blocks that overlap
// are always one inside the other.
func widest(blocks []netip.Prefix) []netip.Prefix {
	slices.SortFunc(blocks, func(a, b netip.Prefix) int { return cmp.Compare(a.Bits(), b.Bits()) })
	var kept []netip.Prefix
	for _, b := range blocks {
		if !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Overlaps(b) }) {
			kept = append(kept, b)
		}
	}
	return kept
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
