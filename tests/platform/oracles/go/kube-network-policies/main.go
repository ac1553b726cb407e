// Command kube-network-policies says which connections the implementation of
// that name allows. The first line it reads is a world; each further line lists the
// policies, by their index, of a cluster in that world. For each of these it
// writes a line with one character per connection: 1 for allowed, 0 for denied.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	_ "unsafe" // for go:linkname

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	defaults "k8s.io/kubernetes/pkg/apis/networking/v1"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

type world struct {
	Pods        []*v1.Pod
	Namespaces  []*v1.Namespace
	Policies    []*networkingv1.NetworkPolicy
	Connections []connection
}

type connection struct {
	From, To net.IP
	Port     int
	Protocol v1.Protocol
}

func (c connection) packet() packet {
	return packet{family: v1.IPv4Protocol, srcIP: c.From, dstIP: c.To, proto: c.Protocol, srcPort: 40000, dstPort: c.Port}
}

func main() {
	questions, answers := json.NewDecoder(bufio.NewReader(os.Stdin)), bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	var w world
	check(questions.Decode(&w))
	for i, policy := range w.Policies {
		w.Policies[i] = stored(policy)
	}
	controller, policies := newController(&w)
	for {
		var set []int
		if err := questions.Decode(&set); err == io.EOF {
			return
		} else {
			check(err)
		}
		var held []any
		for _, i := range set {
			held = append(held, w.Policies[i])
		}
		check(policies.Replace(held, ""))
		for _, c := range w.Connections {
			verdict := byte('0')
			if evaluatePacket(controller, context.Background(), c.packet()) {
				verdict = '1'
			}
			check(answers.WriteByte(verdict))
		}
		check(answers.WriteByte('\n'))
	}
}

// stored gives what the API server would: with its defaults, and without empty lists.
func stored(policy *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	defaults.SetObjectDefaults_NetworkPolicy(policy)
	text, err := policy.Marshal()
	check(err)
	kept := &networkingv1.NetworkPolicy{}
	check(kept.Unmarshal(text))
	return kept
}

// newController makes one that watches nothing, and the cache of the policies that it sees.
func newController(w *world) (*networkpolicy.Controller, cache.Indexer) {
	client, err := kubernetes.NewForConfig(&rest.Config{})
	check(err)
	factory := informers.NewSharedInformerFactory(nil, 0)
	policies, pods := factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Pods()
	namespaces, nodes := factory.Core().V1().Namespaces(), factory.Core().V1().Nodes()
	config := networkpolicy.Config{NRIdisabled: true}
	controller, err := networkpolicy.NewController(client, policies, namespaces, pods, nodes, nil, nil, nil, config)
	check(err)
	for _, pod := range w.Pods {
		check(pods.Informer().GetIndexer().Add(pod))
	}
	for _, namespace := range w.Namespaces {
		check(namespaces.Informer().GetIndexer().Add(namespace))
	}
	return controller, policies.Informer().GetIndexer()
}

// packet has the fields of the module's own.
type packet struct {
	id               uint32
	family           v1.IPFamily
	srcIP, dstIP     net.IP
	proto            v1.Protocol
	srcPort, dstPort int
	payload          []byte
}

//go:linkname evaluatePacket sigs.k8s.io/kube-network-policies/pkg/networkpolicy.(*Controller).evaluatePacket
func evaluatePacket(c *networkpolicy.Controller, ctx context.Context, p packet) bool

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
