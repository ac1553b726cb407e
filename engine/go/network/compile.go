package network

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	netutils "k8s.io/utils/net"
)

// State is everything that decides what a node enforces.
type State struct {
	Node       string
	Pods       []*v1.Pod
	Namespaces []*v1.Namespace
	Policies   []*networkingv1.NetworkPolicy
}

// Compile turns the cluster's state into the rules of one node. It changes
// nothing outside its result, and equal states give equal rulesets.
func Compile(state State) *Ruleset {
	c := newCompiler(state)
	policies := slices.SortedFunc(slices.Values(state.Policies), func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, policy := range policies {
		c.addPolicy(policy)
	}
	c.isolatePods()
	return c.out
}

type compiler struct {
	namespaces map[string]labels.Set
	pods       map[string][]*pod // by namespace
	families   map[Family]bool   // those that pods have
	peers      map[string]string // what a peer set stands for → its name, less the family
	out        *Ruleset
}

// pod is what policies can see of one.
type pod struct {
	labels    labels.Set
	local     bool
	addresses []netip.Addr
	ports     []v1.ContainerPort     // those that have a name
	policies  map[Direction][]string // chains of the policies that select it
}

func newCompiler(state State) *compiler {
	c := &compiler{
		namespaces: map[string]labels.Set{},
		pods:       map[string][]*pod{},
		families:   map[Family]bool{},
		peers:      map[string]string{},
		out: &Ruleset{
			Sets:     map[string]Set{},
			Chains:   map[string][]Rule{},
			Isolated: map[Direction]map[netip.Addr]string{Egress: {}, Ingress: {}},
		},
	}
	for _, f := range families {
		c.set(hairpinSet(f), f.addressType()+" . "+f.addressType(), "pods that reach themselves through a Service")
	}
	for _, ns := range state.Namespaces {
		c.namespaces[ns.Name] = ns.Labels
	}
	for _, p := range state.Pods {
		if addresses := podAddresses(p); len(addresses) > 0 {
			c.pods[p.Namespace] = append(c.pods[p.Namespace], &pod{
				labels:    p.Labels,
				local:     p.Spec.NodeName == state.Node,
				addresses: addresses,
				ports:     namedPorts(p),
				policies:  map[Direction][]string{},
			})
			for _, a := range addresses {
				c.families[familyOf(a)] = true
			}
		}
	}
	return c
}

// podAddresses returns the addresses that are the pod's own: none if it uses
// the node's, and none once it has ended, for another pod may have them by then.
func podAddresses(p *v1.Pod) []netip.Addr {
	if p.Spec.HostNetwork || p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
		return nil
	}
	var addresses []netip.Addr
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses
}

func namedPorts(p *v1.Pod) []v1.ContainerPort {
	var ports []v1.ContainerPort
	containers := p.Spec.Containers
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways { // a sidecar
			containers = append(slices.Clip(containers), c)
		}
	}
	for _, c := range containers {
		for _, port := range c.Ports {
			if port.Name != "" {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// addPolicy writes the policy's chains and notes which local pods they hold for.
func (c *compiler) addPolicy(policy *networkingv1.NetworkPolicy) {
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	if err != nil {
		klog.ErrorS(err, "Policy left out: its podSelector is not valid", "policy", klog.KObj(policy))
		return
	}
	var subjects []*pod
	for _, p := range c.pods[policy.Namespace] {
		if p.local && selector.Matches(p.labels) {
			subjects = append(subjects, p)
		}
	}
	if len(subjects) == 0 {
		return
	}
	for _, d := range policyDirections(policy) {
		chain := chainName(string(d), policy.Namespace, policy.Name)
		c.out.Chains[chain] = c.policyRules(policy, d)
		for _, p := range subjects {
			p.policies[d] = append(p.policies[d], chain)
		}
	}
}

// policyDirections follows the API's default: always ingress, and egress if
// there are rules for it.
func policyDirections(policy *networkingv1.NetworkPolicy) []Direction {
	if len(policy.Spec.PolicyTypes) == 0 {
		if len(policy.Spec.Egress) > 0 {
			return []Direction{Ingress, Egress}
		}
		return []Direction{Ingress}
	}
	var ds []Direction
	for _, t := range policy.Spec.PolicyTypes {
		ds = append(ds, Direction(strings.ToLower(string(t))))
	}
	return ds
}

func (c *compiler) policyRules(policy *networkingv1.NetworkPolicy, d Direction) []Rule {
	rules := []Rule{}
	allow := func(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
		for _, peer := range c.peerRules(policy.Namespace, peers) {
			for _, port := range c.portRules(ports) {
				if r, ok := both(peer, port); ok {
					r.Direction, r.Accept = d, true
					rules = append(rules, r)
				}
			}
		}
	}
	if d == Ingress {
		for _, r := range policy.Spec.Ingress {
			allow(r.From, r.Ports)
		}
	} else {
		for _, r := range policy.Spec.Egress {
			allow(r.To, r.Ports)
		}
	}
	return rules
}

// both joins a condition on the peer with one on the port.
func both(peer, port Rule) (Rule, bool) {
	if peer.Family != "" && port.Family != "" && peer.Family != port.Family {
		return Rule{}, false
	}
	r := peer
	r.Family = cmp.Or(peer.Family, port.Family)
	r.Protocol, r.Ports, r.NamedPort = port.Protocol, port.Ports, port.NamedPort
	return r, true
}

// peerRules returns the conditions of which one must hold for the peer.
func (c *compiler) peerRules(namespace string, peers []networkingv1.NetworkPolicyPeer) []Rule {
	if len(peers) == 0 {
		return []Rule{{}} // anyone
	}
	var rules []Rule
	for _, peer := range peers {
		if peer.IPBlock != nil {
			rules = append(rules, blockRules(peer.IPBlock)...)
			continue
		}
		name := c.peerSet(namespace, peer)
		for _, f := range families {
			if name != "" && c.families[f] {
				rules = append(rules, Rule{Family: f, PeerSet: name + "-ipv" + string(f)})
			}
		}
	}
	return rules
}

func blockRules(block *networkingv1.IPBlock) []Rule {
	cidr, ok := parseBlock(block.CIDR)
	if !ok {
		return nil
	}
	var except []netip.Prefix
	for _, e := range block.Except {
		if p, ok := parseBlock(e); ok {
			except = append(except, p)
		}
	}
	except = widest(except)
	if len(except) > 0 && except[0].Bits() <= cidr.Bits() && except[0].Overlaps(cidr) {
		return nil // nothing is left of it
	}
	return []Rule{{Family: familyOf(cidr.Addr()), Block: cidr, Except: except}}
}

// parseBlock reads what the API server lets through, leading zeros included.
func parseBlock(s string) (netip.Prefix, bool) {
	_, n, err := netutils.ParseCIDRSloppy(s)
	if err != nil {
		klog.ErrorS(err, "Address block left out")
		return netip.Prefix{}, false
	}
	a, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), true
}

// peerSet returns the name, less the family, of the sets with the addresses of
// the pods that a peer selects. Equal peers share their sets, and the name says
// what is selected and not which pods are: when pods come and go, only elements
// of sets change.
func (c *compiler) peerSet(namespace string, peer networkingv1.NetworkPolicyPeer) string {
	meaning := describePeer(namespace, peer)
	if name, known := c.peers[meaning]; known || meaning == "" {
		return name
	}
	name := "pods-" + hash(meaning)
	c.peers[meaning] = name
	sets := map[Family]map[string]bool{}
	for _, f := range families {
		if c.families[f] {
			sets[f] = c.set(name+"-ipv"+string(f), f.addressType(), meaning)
		}
	}
	for _, p := range c.selected(namespace, peer) {
		for _, a := range p.addresses {
			sets[familyOf(a)][a.String()] = true
		}
	}
	return name
}

// describePeer says in words what a peer selects; nothing, if it is not valid.
func describePeer(namespace string, peer networkingv1.NetworkPolicyPeer) string {
	var words []string
	if peer.NamespaceSelector == nil {
		words = append(words, "namespace "+namespace)
	} else {
		words = append(words, "namespaces ("+describe(peer.NamespaceSelector)+")")
	}
	if peer.PodSelector != nil {
		words = append(words, "pods ("+describe(peer.PodSelector)+")")
	} else if peer.NamespaceSelector == nil {
		return ""
	}
	return strings.Join(words, ", ")
}

func describe(s *metav1.LabelSelector) string {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return "all"
	}
	return metav1.FormatLabelSelector(s)
}

func (c *compiler) selected(namespace string, peer networkingv1.NetworkPolicyPeer) []*pod {
	podSelector := selectorOrAll(peer.PodSelector)
	if peer.NamespaceSelector == nil {
		return matching(c.pods[namespace], podSelector)
	}
	var pods []*pod
	nsSelector := selectorOrAll(peer.NamespaceSelector)
	for name, inNamespace := range c.pods {
		// A namespace that is not known yet has labels that are not known either.
		if l, known := c.namespaces[name]; known && nsSelector.Matches(l) {
			pods = append(pods, matching(inNamespace, podSelector)...)
		}
	}
	return pods
}

func selectorOrAll(s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return labels.Everything()
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		klog.ErrorS(err, "Selector taken to match nothing")
		return labels.Nothing()
	}
	return selector
}

func matching(pods []*pod, selector labels.Selector) []*pod {
	if selector.Empty() {
		return pods
	}
	var matched []*pod
	for _, p := range pods {
		if selector.Matches(p.labels) {
			matched = append(matched, p)
		}
	}
	return matched
}

// portRules returns the conditions of which one must hold for the port: one
// for all the numbers of a protocol, and one for each name.
func (c *compiler) portRules(ports []networkingv1.NetworkPolicyPort) []Rule {
	if len(ports) == 0 {
		return []Rule{{}} // any, and protocols without ports too
	}
	var rules []Rule
	whole := map[string]bool{}
	numbers := map[string][]PortRange{}
	for _, port := range ports {
		protocol := v1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			whole[name] = true
		case port.Port.StrVal != "":
			rules = append(rules, c.namedPortRules(port.Port.StrVal, protocol)...)
		default:
			r := PortRange{uint16(port.Port.IntVal), uint16(port.Port.IntVal)}
			if port.EndPort != nil {
				r.Last = uint16(*port.EndPort)
			}
			numbers[name] = append(numbers[name], r)
		}
	}
	for _, protocol := range []string{"tcp", "udp", "sctp"} {
		if whole[protocol] {
			rules = append(rules, Rule{Protocol: protocol})
		} else if len(numbers[protocol]) > 0 {
			rules = append(rules, Rule{Protocol: protocol, Ports: mergePorts(numbers[protocol])})
		}
	}
	return rules
}

// namedPortRules looks the name up at the destination, whichever side that is:
// the set holds the (address, port) pairs of every pod that uses the name.
func (c *compiler) namedPortRules(port string, protocol v1.Protocol) []Rule {
	var rules []Rule
	name := strings.ToLower(string(protocol))
	for _, f := range families {
		if !c.families[f] {
			continue
		}
		set := fmt.Sprintf("port-%s-%s-ipv%s", port, name, f)
		if _, known := c.out.Sets[set]; !known {
			c.fillPortSet(c.set(set, f.addressType()+" . inet_service", ""), f, port, protocol)
		}
		rules = append(rules, Rule{Family: f, Protocol: name, NamedPort: set})
	}
	return rules
}

func (c *compiler) fillPortSet(elements map[string]bool, f Family, name string, protocol v1.Protocol) {
	for _, pods := range c.pods {
		for _, p := range pods {
			for _, port := range p.ports {
				if port.Name != name || cmp.Or(port.Protocol, v1.ProtocolTCP) != protocol {
					continue
				}
				for _, a := range p.addresses {
					if familyOf(a) == f {
						elements[fmt.Sprintf("%s . %d", a, port.ContainerPort)] = true
					}
				}
			}
		}
	}
}

// isolatePods sends the traffic of each selected pod to the chain for its
// combination of policies; pods with the same combination share it.
func (c *compiler) isolatePods() {
	for _, pods := range c.pods {
		for _, p := range pods {
			for d, policies := range p.policies {
				c.isolate(p, d, c.groupChain(d, policies))
			}
		}
	}
}

func (c *compiler) isolate(p *pod, d Direction, chain string) {
	for _, a := range p.addresses {
		c.out.Isolated[d][a] = chain
		c.out.Sets[hairpinSet(familyOf(a))].Elements[a.String()+" . "+a.String()] = true
	}
}

func (c *compiler) groupChain(d Direction, policies []string) string {
	chain := fmt.Sprintf("%s-group-%s", d, hash(policies...))
	if _, known := c.out.Chains[chain]; !known {
		var rules []Rule
		for _, policy := range policies {
			rules = append(rules, Rule{Direction: d, Jump: policy})
		}
		c.out.Chains[chain] = append(rules, Rule{Direction: d, Deny: true})
	}
	return chain
}

func (c *compiler) set(name, kind, comment string) map[string]bool {
	elements := map[string]bool{}
	c.out.Sets[name] = Set{Type: kind, Comment: comment, Elements: elements}
	return elements
}

// chainName keeps the names that people gave, within the length that old
// kernels accept.
func chainName(parts ...string) string {
	name := strings.Join(parts, "/")
	if len(name) > 100 {
		name = name[:83] + "-" + hash(name)
	}
	return name
}

func hash(parts ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(parts, "\n"))))[:16]
}
