package network

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/knftables"
)

func run(t testing.TB, nft knftables.Interface, write func(*knftables.Transaction)) {
	t.Helper()
	tx := nft.NewTransaction()
	write(tx)
	if tx.NumOperations() == 0 {
		return
	}
	if err := nft.Run(context.Background(), tx); err != nil {
		t.Fatalf("%.500v\n%.3000s", explain(err), tx)
	}
}

// A table that was updated from state to state must be the one that is written
// anew for the last.
func TestUpdateEqualsRebuild(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	updated := knftables.NewFake(knftables.InetFamily, policyTable)
	var current *Ruleset
	for round := range 100 {
		rs := Compile(randomState(random))
		run(t, updated, func(tx *knftables.Transaction) {
			if current == nil {
				rebuild(tx, rs, Drop)
			} else {
				update(tx, current, rs)
			}
		})
		current = rs
		anew := knftables.NewFake(knftables.InetFamily, policyTable)
		run(t, anew, func(tx *knftables.Transaction) { rebuild(tx, rs, Drop) })
		if a, b := sortedLines(updated.Dump()), sortedLines(anew.Dump()); a != b {
			t.Fatalf("round %d: updated:\n%s\nanew:\n%s", round, a, b)
		}
	}
}

func sortedLines(dump string) string {
	lines := map[string]bool{}
	for _, l := range strings.Split(dump, "\n") {
		lines[l] = true
	}
	return strings.Join(sortedKeys(lines), "\n")
}

// randomState has some of the cases' policies and some of the pods.
func randomState(random *rand.Rand) State {
	var policies []string
	for _, c := range cases {
		if random.Intn(3) == 0 {
			policies = append(policies, c.policies...)
		}
	}
	s := testState(policies...)
	random.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
	s.Pods = s.Pods[:random.Intn(len(s.Pods)+1)]
	return s
}

// With an unchanged state there is nothing to write.
func TestUpdateToTheSameIsEmpty(t *testing.T) {
	tx := knftables.NewFake(knftables.InetFamily, policyTable).NewTransaction()
	update(tx, Compile(testState(denyAll)), Compile(testState(denyAll)))
	if tx.NumOperations() != 0 {
		t.Errorf("not empty:\n%s", tx)
	}
}

// inOwnNetwork runs the test again in a network namespace of its own, for
// which it needs no privileges where the kernel lets users make them.
func inOwnNetwork(t testing.TB, pattern ...string) bool {
	if os.Getenv("IN_OWN_NETWORK") != "" {
		return true
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("no nft here")
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"-test.v"}, pattern...)...)
	cmd.Env = append(os.Environ(), "IN_OWN_NETWORK=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skip("no network namespaces here:", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, "\n"+out.String())
	}
	t.Log(out.String())
	return false
}

// The kernel itself must accept what is written, whole and step by step.
func TestKernelAccepts(t *testing.T) {
	if !inOwnNetwork(t, "-test.run=^TestKernelAccepts$") {
		return
	}
	nft, err := knftables.New(knftables.InetFamily, policyTable)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewSource(2))
	for _, deny := range []string{Drop, Reject} {
		var all []string
		for _, c := range cases {
			all = append(all, c.policies...)
		}
		rs := Compile(testState(all...))
		run(t, nft, func(tx *knftables.Transaction) { rebuild(tx, rs, deny) })
		for range 20 {
			next := Compile(randomState(random))
			run(t, nft, func(tx *knftables.Transaction) { update(tx, rs, next) })
			rs = next
		}
	}
}

// The size that must stay well under a second.
const (
	manyPods     = 1000
	manyPolicies = 300
)

func bigState() State {
	s := State{Node: "here"}
	for n := range 30 {
		s.Namespaces = append(s.Namespaces, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("ns%d", n), Labels: map[string]string{"team": fmt.Sprint(n % 5)}}})
	}
	for i := range manyPods {
		p := testPod(fmt.Sprintf("ns%d", i%30), fmt.Sprint("app", i/30%8), "here", 8080, fmt.Sprintf("10.244.%d.%d", i/250, i%250+1))
		s.Pods = append(s.Pods, p)
	}
	selector := func(key, value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
	port := intstr.FromInt32(8080)
	named := intstr.FromString("http")
	for i := range manyPolicies {
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("ns%d", i%30), Name: fmt.Sprint("policy", i)}}
		p.Spec.PodSelector = *selector("app", fmt.Sprint("app", i/30%8))
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: selector("app", fmt.Sprint("app", (i+1)%8))},
				{NamespaceSelector: selector("team", fmt.Sprint(i%5)), PodSelector: selector("app", fmt.Sprint("app", i%8))}},
			Ports: []networkingv1.NetworkPolicyPort{{Port: &port}, {Port: &named}},
		}}
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{
			{NamespaceSelector: &metav1.LabelSelector{}}, {IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}}}}}}
		s.Policies = append(s.Policies, p)
	}
	return s
}

func BenchmarkCompile(b *testing.B) {
	s := bigState()
	for b.Loop() {
		Compile(s)
	}
}

// TestBigClusterIsQuick prints how long the kernel takes, and fails only where
// a machine would have to be ten times slower than a small one.
func TestBigClusterIsQuick(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a message of this size takes root's right to a large buffer")
	}
	if !inOwnNetwork(t, "-test.run=^TestBigClusterIsQuick$") {
		return
	}
	nft, err := knftables.New(knftables.InetFamily, policyTable)
	if err != nil {
		t.Fatal(err)
	}
	s := bigState()
	measure := func(what string, write func(*knftables.Transaction, *Ruleset), rs *Ruleset) {
		start := time.Now()
		if rs == nil {
			rs = Compile(s)
		}
		compiled := time.Since(start)
		operations := 0
		run(t, nft, func(tx *knftables.Transaction) { write(tx, rs); operations = tx.NumOperations() })
		t.Logf("%s: compiling %v, in all %v, %d operations", what, compiled, time.Since(start), operations)
		if time.Since(start) > 5*time.Second {
			t.Errorf("%s: too slow", what)
		}
	}
	var current *Ruleset
	whole := func(tx *knftables.Transaction, rs *Ruleset) { rebuild(tx, rs, Drop); current = rs }
	step := func(tx *knftables.Transaction, rs *Ruleset) { update(tx, current, rs); current = rs }
	measure("whole table", whole, nil)
	measure("whole table again", whole, nil)
	s.Pods = append(s.Pods, testPod("ns1", "app1", "here", 8080, "10.245.0.1"))
	measure("one pod more", step, nil)
	s.Policies = s.Policies[:len(s.Policies)-1]
	measure("one policy less", step, nil)
}
