package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// The cluster of these tests: two nodes; rules are compiled for "here".
//
//	x/a, x/b   app=a, app=b   here    10.0.1.1, 10.0.1.2, fd00::1, fd00::2
//	y/a, y/b   app=a, app=b   here    10.0.2.1, 10.0.2.2
//	z/a        app=a          there   10.0.3.1
//	x/host     app=a          here    the node's address, 192.168.0.1
//	x/done     app=a          here    10.0.1.9, has ended
//
// Every container's port "http" is tcp/80 for app=a and tcp/8080 for app=b,
// "dns" is udp/53; namespaces carry name=x and so on, y and z also team=blue.
func testState(policies ...string) State {
	s := State{Node: "here"}
	for _, name := range []string{"x", "y", "z"} {
		l := map[string]string{"name": name}
		if name != "x" {
			l["team"] = "blue"
		}
		s.Namespaces = append(s.Namespaces, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: l}})
	}
	s.Pods = []*v1.Pod{
		testPod("x", "a", "here", 80, "10.0.1.1", "fd00::1"), testPod("x", "b", "here", 8080, "10.0.1.2", "fd00::2"),
		testPod("y", "a", "here", 80, "10.0.2.1"), testPod("y", "b", "here", 8080, "10.0.2.2"),
		testPod("z", "a", "there", 80, "10.0.3.1"),
	}
	host := testPod("x", "a", "here", 80, "192.168.0.1")
	host.Name, host.Spec.HostNetwork = "host", true
	done := testPod("x", "a", "here", 80, "10.0.1.9")
	done.Name, done.Status.Phase = "done", v1.PodSucceeded
	s.Pods = append(s.Pods, host, done)
	for i, text := range policies {
		p := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(text, "\t", "  ")), p); err != nil {
			panic(fmt.Sprint(err, text))
		}
		p.Name = fmt.Sprintf("policy-%d", i)
		if p.Namespace == "" {
			p.Namespace = "x"
		}
		s.Policies = append(s.Policies, p)
	}
	return s
}

func testPod(ns, app, node string, http int32, ips ...string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: app, Labels: map[string]string{"app": app}}}
	p.Spec.NodeName = node
	p.Spec.Containers = []v1.Container{{Ports: []v1.ContainerPort{
		{Name: "http", ContainerPort: http}, {Name: "dns", ContainerPort: 53, Protocol: v1.ProtocolUDP}}}}
	p.Status.Phase = v1.PodRunning
	for _, ip := range ips {
		p.Status.PodIPs = append(p.Status.PodIPs, v1.PodIP{IP: ip})
	}
	return p
}

var testAddresses = map[string]string{
	"x/a": "10.0.1.1", "x/b": "10.0.1.2", "y/a": "10.0.2.1", "y/b": "10.0.2.2", "z/a": "10.0.3.1",
	"x/a6": "fd00::1", "x/b6": "fd00::2",
}

// parsePacket reads "x/a > y/b tcp/80".
func parsePacket(t *testing.T, text string) packet {
	t.Helper()
	f := strings.Fields(text)
	protocol, port, _ := strings.Cut(f[3], "/")
	n, _ := strconv.Atoi(port)
	address := func(s string) netip.Addr {
		if known, ok := testAddresses[s]; ok {
			s = known
		}
		return netip.MustParseAddr(s)
	}
	return packet{address(f[0]), address(f[2]), protocol, uint16(n)}
}

const denyAll = `spec: {podSelector: {}, policyTypes: [Ingress, Egress]}`

var cases = []struct {
	name     string
	policies []string
	allowed  []string
	denied   []string
}{
	{
		name:    "without policies everything passes",
		allowed: []string{"x/a > x/b tcp/80", "8.8.8.8 > x/a udp/9", "x/a > 8.8.8.8 icmp/0"},
	},
	{
		name:     "default deny of ingress",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Ingress]}`},
		denied:   []string{"x/b > x/a tcp/80", "y/a > x/a tcp/80", "8.8.8.8 > x/b udp/53", "x/b > x/a icmp/0", "x/b6 > x/a6 tcp/80"},
		allowed:  []string{"x/a > y/a tcp/80", "x/a > 8.8.8.8 tcp/443", "y/a > y/b tcp/80"},
	},
	{
		name:     "default deny of egress",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Egress]}`},
		denied:   []string{"x/a > y/a tcp/80", "x/a > 8.8.8.8 udp/53", "x/a > x/b tcp/80", "x/a6 > x/b6 tcp/80"},
		allowed:  []string{"y/a > x/a tcp/80", "8.8.8.8 > x/a tcp/80"},
	},
	{
		name:     "default deny both ways, and a pod still reaches itself",
		policies: []string{denyAll},
		denied:   []string{"x/a > y/a tcp/80", "y/a > x/a tcp/80"},
		allowed:  []string{"x/a > x/a tcp/80", "x/a6 > x/a6 tcp/80", "y/a > y/b tcp/80"},
	},
	{
		name:     "policyTypes left out, no egress rules: ingress only",
		policies: []string{`spec: {podSelector: {}}`},
		denied:   []string{"y/a > x/a tcp/80"},
		allowed:  []string{"x/a > y/a tcp/80"},
	},
	{
		name:     "policyTypes left out, egress rules: both",
		policies: []string{`spec: {podSelector: {}, egress: [{to: [{podSelector: {}}]}]}`},
		denied:   []string{"y/a > x/a tcp/80", "x/a > y/a tcp/80", "x/a > x/b tcp/80"}, // x/b's ingress is closed
	},
	{
		name:     "rules for a direction that policyTypes does not name do nothing",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Egress], ingress: [], egress: [{}]}`},
		allowed:  []string{"y/a > x/a tcp/80", "x/a > y/a tcp/80"},
	},
	{
		name:     "podSelector of the policy",
		policies: []string{`spec: {podSelector: {matchLabels: {app: a}}}`},
		denied:   []string{"y/a > x/a tcp/80"},
		allowed:  []string{"y/a > x/b tcp/80"},
	},
	{
		name:     "podSelector with an expression",
		policies: []string{`spec: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [a]}]}}`},
		denied:   []string{"y/a > x/b tcp/80"},
		allowed:  []string{"y/a > x/a tcp/80"},
	},
	{
		name:     "peer by podSelector: pods of the policy's namespace",
		policies: []string{`spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {matchLabels: {app: b}}}]}]}`},
		allowed:  []string{"x/b > x/a tcp/80", "x/b > x/a udp/53", "x/b6 > x/a6 tcp/1", "x/b > x/a icmp/0"},
		denied:   []string{"y/b > x/a tcp/80", "z/a > x/a tcp/80", "8.8.8.8 > x/a tcp/80"},
	},
	{
		name:     "peer by an empty podSelector: the whole namespace, no other",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`},
		allowed:  []string{"x/b > x/a tcp/80", "x/a > x/b tcp/80"},
		denied:   []string{"y/a > x/a tcp/80"},
	},
	{
		name:     "peer by namespaceSelector",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}`},
		allowed:  []string{"y/a > x/a tcp/80", "y/b > x/a tcp/80", "z/a > x/a tcp/80"},
		denied:   []string{"x/b > x/a tcp/80", "8.8.8.8 > x/a tcp/80"},
	},
	{
		name:     "peer by an empty namespaceSelector: all pods, nobody else",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`},
		allowed:  []string{"y/a > x/a tcp/80", "x/b > x/a tcp/80", "z/a > x/a tcp/80"},
		denied:   []string{"8.8.8.8 > x/a tcp/80", "192.168.0.1 > x/a tcp/80"},
	},
	{
		name:     "both selectors in one peer: AND",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: b}}}]}]}`},
		allowed:  []string{"y/b > x/a tcp/80"},
		denied:   []string{"y/a > x/a tcp/80", "x/b > x/a tcp/80", "z/a > x/a tcp/80"},
	},
	{
		name:     "the selectors in two peers: OR",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}, {podSelector: {matchLabels: {app: b}}}]}]}`},
		allowed:  []string{"y/b > x/a tcp/80", "y/a > x/a tcp/80", "x/b > x/a tcp/80", "z/a > x/a tcp/80"},
		denied:   []string{"x/a > x/b tcp/80"},
	},
	{
		name:     "selectors follow no host-network pod and no ended one",
		policies: []string{`spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}`},
		allowed:  []string{"x/a > x/b tcp/80"},
		denied:   []string{"192.168.0.1 > x/b tcp/80", "10.0.1.9 > x/b tcp/80"},
	},
	{
		name:     "host-network and ended pods are never subjects",
		policies: []string{denyAll},
		allowed:  []string{"y/a > 192.168.0.1 tcp/80", "192.168.0.1 > y/a tcp/80", "y/a > 10.0.1.9 tcp/80"},
	},
	{
		name:     "ipBlock with exceptions",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.2.0/24, 10.0.0.0/16, 10.9.0.0/24]}}]}]}`},
		allowed:  []string{"10.1.0.1 > x/a tcp/80", "10.9.1.1 > x/a udp/1"},
		denied:   []string{"10.0.5.1 > x/a tcp/80", "y/a > x/a tcp/80", "10.9.0.7 > x/a tcp/80", "11.0.0.1 > x/a tcp/80", "fd00::2 > x/a6 tcp/80"},
	},
	{
		name:     "ipBlock of everything, of one family",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}`},
		allowed:  []string{"x/a > 8.8.8.8 tcp/443"},
		denied:   []string{"x/a > y/a tcp/80", "x/a6 > fd00::9 tcp/80"},
	},
	{
		name:     "ipBlock of IPv6",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "fd00::/64", except: ["fd00::3/128"]}}]}]}`},
		allowed:  []string{"fd00::2 > x/a6 tcp/80"},
		denied:   []string{"fd00::3 > x/a6 tcp/80", "fe00::1 > x/a6 tcp/80", "x/b > x/a tcp/80"},
	},
	{
		name:     "ipBlock with nothing left",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}`},
		denied:   []string{"y/a > x/a tcp/80"},
	},
	{
		name:     "an empty rule allows everything",
		policies: []string{`spec: {podSelector: {}, ingress: [{}], egress: [{}], policyTypes: [Ingress, Egress]}`},
		allowed:  []string{"8.8.8.8 > x/a udp/53", "x/a > 8.8.8.8 icmp/0", "y/a > x/a tcp/80", "x/a6 > x/b6 sctp/1"},
	},
	{
		name:     "empty from and ports allow everything",
		policies: []string{`spec: {podSelector: {}, ingress: [{from: [], ports: []}]}`},
		allowed:  []string{"8.8.8.8 > x/a udp/53", "y/a > x/a icmp/0"},
	},
	{
		name:     "empty ingress and egress lists allow nothing",
		policies: []string{`spec: {podSelector: {}, ingress: [], egress: [], policyTypes: [Ingress, Egress]}`},
		denied:   []string{"8.8.8.8 > x/a udp/53", "x/a > 8.8.8.8 tcp/80"},
	},
	{
		name:     "a port number is of TCP unless said otherwise",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}`},
		allowed:  []string{"y/a > x/a tcp/80", "y/a > x/b tcp/80", "8.8.8.8 > x/a6 tcp/80"},
		denied:   []string{"y/a > x/a tcp/81", "y/a > x/a udp/80", "y/a > x/a icmp/0"},
	},
	{
		name:     "UDP and SCTP",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{port: 53, protocol: UDP}, {port: 99, protocol: SCTP}]}]}`},
		allowed:  []string{"y/a > x/a udp/53", "y/a > x/a sctp/99"},
		denied:   []string{"y/a > x/a tcp/53", "y/a > x/a sctp/53", "y/a > x/a udp/99"},
	},
	{
		name:     "a protocol without a port: all its ports",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{protocol: UDP}, {port: 53, protocol: UDP}]}]}`},
		allowed:  []string{"y/a > x/a udp/53", "y/a > x/a udp/9999"},
		denied:   []string{"y/a > x/a tcp/53"},
	},
	{
		name:     "endPort, overlapping and adjacent ranges",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{port: 100, endPort: 200}, {port: 150, endPort: 210}, {port: 211}, {port: 65535}]}]}`},
		allowed:  []string{"y/a > x/a tcp/100", "y/a > x/a tcp/200", "y/a > x/a tcp/205", "y/a > x/a tcp/211", "y/a > x/a tcp/65535"},
		denied:   []string{"y/a > x/a tcp/99", "y/a > x/a tcp/212", "y/a > x/a udp/150"},
	},
	{
		name:     "a named port at ingress is each subject's own",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{port: http}]}]}`},
		allowed:  []string{"y/a > x/a tcp/80", "y/a > x/b tcp/8080", "x/b6 > x/a6 tcp/80"},
		denied:   []string{"y/a > x/a tcp/8080", "y/a > x/b tcp/80"},
	},
	{
		name:     "a named port at egress is each destination's own",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}]}]}`},
		allowed:  []string{"x/a > y/a tcp/80", "x/a > y/b tcp/8080", "x/a > z/a tcp/80"},
		denied:   []string{"x/a > y/a tcp/8080", "x/a > y/b tcp/80", "x/a > 8.8.8.8 tcp/80"},
	},
	{
		name:     "a named port has a protocol",
		policies: []string{`spec: {podSelector: {}, ingress: [{ports: [{port: dns, protocol: UDP}, {port: dns, protocol: TCP}, {port: nowhere}]}]}`},
		allowed:  []string{"y/a > x/a udp/53"},
		denied:   []string{"y/a > x/a tcp/53"},
	},
	{
		name:     "peer and port both must match",
		policies: []string{`spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}`},
		allowed:  []string{"x/b > x/a tcp/80"},
		denied:   []string{"x/b > x/a tcp/81", "y/a > x/a tcp/80"},
	},
	{
		name: "rules of one policy do not mix",
		policies: []string{`spec: {podSelector: {matchLabels: {app: a}}, ingress: [
			{from: [{podSelector: {}}], ports: [{port: 80}]}, {from: [{namespaceSelector: {matchLabels: {name: "y"}}}], ports: [{port: 81}]}]}`},
		allowed: []string{"x/b > x/a tcp/80", "y/b > x/a tcp/81"},
		denied:  []string{"x/b > x/a tcp/81", "y/b > x/a tcp/80"},
	},
	{
		name: "several policies: the union",
		policies: []string{denyAll,
			`spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}]}`,
			`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {name: "y"}}}]}]}`,
			`spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 80}]}]}`},
		allowed: []string{"x/b > x/a tcp/80", "y/a > x/a tcp/99", "y/a > x/b tcp/99"},
		denied:  []string{"x/a > x/b tcp/80", "z/a > x/a tcp/80", "x/b > x/a tcp/81", "x/a > 8.8.8.8 tcp/80"},
	},
	{
		name: "both ends must agree",
		policies: []string{`spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {name: "y"}}}]}]}`,
			`{metadata: {namespace: "y"}, spec: {podSelector: {matchLabels: {app: a}}}}`},
		allowed: []string{"x/a > y/b tcp/80"},
		denied:  []string{"x/a > y/a tcp/80"},
	},
	{
		name:     "the other node enforces for its own pods",
		policies: []string{`{metadata: {namespace: z}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`},
		allowed:  []string{"x/a > z/a tcp/80", "z/a > x/a tcp/80"},
	},
}

func TestSemantics(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rs := Compile(testState(c.policies...))
			for _, text := range c.allowed {
				if !rs.allows(t, parsePacket(t, text)) {
					t.Errorf("%s is denied", text)
				}
			}
			for _, text := range c.denied {
				if rs.allows(t, parsePacket(t, text)) {
					t.Errorf("%s is allowed", text)
				}
			}
		})
	}
}

func TestNamespaceLabelsAreFollowed(t *testing.T) {
	s := testState(`spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}`)
	p := parsePacket(t, "y/a > x/a tcp/80")
	if !Compile(s).allows(t, p) {
		t.Error("denied with the label")
	}
	s.Namespaces[1].Labels = map[string]string{"name": "y"}
	if Compile(s).allows(t, p) {
		t.Error("allowed without the label")
	}
	s.Namespaces[1].Labels["team"] = "blue"
	s.Namespaces = append(s.Namespaces[:1], s.Namespaces[2:]...)
	if Compile(s).allows(t, p) {
		t.Error("allowed from a namespace that is not known")
	}
}

func TestSidecarPortsHaveNames(t *testing.T) {
	s := testState(`spec: {podSelector: {}, ingress: [{ports: [{port: metrics}, {port: once}]}]}`)
	always := v1.ContainerRestartPolicyAlways
	s.Pods[0].Spec.InitContainers = []v1.Container{
		{RestartPolicy: &always, Ports: []v1.ContainerPort{{Name: "metrics", ContainerPort: 9}}},
		{Ports: []v1.ContainerPort{{Name: "once", ContainerPort: 10}}},
	}
	rs := Compile(s)
	if !rs.allows(t, parsePacket(t, "y/a > x/a tcp/9")) || rs.allows(t, parsePacket(t, "y/a > x/a tcp/10")) {
		t.Error("want the sidecar's port only")
	}
}

func TestLongNamesFit(t *testing.T) {
	s := testState(denyAll)
	s.Policies[0].Name = strings.Repeat("a.", 120) + "a"
	for name := range Compile(s).Chains {
		if len(name) > 110 {
			t.Errorf("chain name of %d characters", len(name))
		}
	}
}
