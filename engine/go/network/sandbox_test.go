package network

import (
	"testing"

	"github.com/containerd/nri/pkg/api"
)

// A pod is protected from the moment that the runtime gives it an address.
func TestRuntimeKnowsFirst(t *testing.T) {
	p := parsePacket(t, "y/a > 10.0.1.77 tcp/80")
	policy := `spec: {podSelector: {matchLabels: {app: new}}}`
	for _, known := range []bool{false, true} { // to the API server, without an address
		s := testState(policy)
		if known {
			pod := testPod("x", "new", "here", 80)
			pod.UID = "u1"
			s.Pods = append(s.Pods, pod)
		}
		boxes := newSandboxes()
		boxes.set(&api.PodSandbox{Id: "s0", Uid: "u1", Name: "new", Namespace: "x", Ips: []string{"10.0.1.70"}, Labels: map[string]string{"app": "new"}})
		boxes.set(&api.PodSandbox{Id: "s1", Uid: "u1", Name: "new", Namespace: "x", Ips: []string{"10.0.1.77"}, Labels: map[string]string{"app": "new"}})
		before := s.Pods
		s.Pods = boxes.merge("here", before)
		if Compile(s).allows(t, p) {
			t.Errorf("known=%v: not protected", known)
		}
		boxes.remove("s1")
		s.Pods = boxes.merge("here", before)
		if !Compile(s).allows(t, p) {
			t.Errorf("known=%v: still there after its end", known)
		}
	}
}
