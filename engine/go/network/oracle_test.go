package network

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// TestOracle says which connections the compiled rules allow, for another
// program to compare with its own answers. The first line it reads is a world;
// each further line lists the policies, by their index, of a cluster in that
// world. For each of these it writes a line with one character per connection:
// 1 for allowed, 0 for denied.
func TestOracle(t *testing.T) {
	if os.Getenv("CAHIER_ORACLE") == "" {
		t.Skip("nobody asks")
	}
	var world struct {
		State
		Connections []struct {
			From, To netip.Addr
			Port     uint16
			Protocol string
		}
	}
	questions, answers := json.NewDecoder(bufio.NewReader(os.Stdin)), bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	if err := questions.Decode(&world); err != nil {
		t.Fatal(err)
	}
	for {
		var set []int
		if err := questions.Decode(&set); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		state := world.State
		state.Policies = []*networkingv1.NetworkPolicy{}
		for _, i := range set {
			state.Policies = append(state.Policies, world.Policies[i])
		}
		rules := Compile(state)
		for _, c := range world.Connections {
			verdict := 0
			if rules.allows(t, packet{c.From, c.To, strings.ToLower(c.Protocol), c.Port}) {
				verdict = 1
			}
			fmt.Fprint(answers, verdict)
		}
		fmt.Fprintln(answers)
	}
}
