// Command runc-nores stands in front of runc where the machine lacks
// CAP_SYS_RESOURCE, as many build machines do. There, runc fails on any
// container that asks for that capability, for a lower oom_score_adj or for
// higher limits than its parent's. So these are taken out of what runc is
// given: the bundle's config.json (create, run) or the --process file (exec).
// Where the capability exists, nothing is changed.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const capability = "CAP_SYS_RESOURCE"

// limits are the numbers of the limits that an OCI configuration names.
var limits = map[string]int{
	"RLIMIT_AS":         unix.RLIMIT_AS,
	"RLIMIT_CORE":       unix.RLIMIT_CORE,
	"RLIMIT_CPU":        unix.RLIMIT_CPU,
	"RLIMIT_DATA":       unix.RLIMIT_DATA,
	"RLIMIT_FSIZE":      unix.RLIMIT_FSIZE,
	"RLIMIT_LOCKS":      unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK":    unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE":   unix.RLIMIT_MSGQUEUE,
	"RLIMIT_NICE":       unix.RLIMIT_NICE,
	"RLIMIT_NOFILE":     unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC":      unix.RLIMIT_NPROC,
	"RLIMIT_RSS":        unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO":     unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME":     unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING,
	"RLIMIT_STACK":      unix.RLIMIT_STACK,
}

// object is any JSON object: only a few fields matter here, and all the
// others must come out as they went in.
type object = map[string]any

func main() {
	if !mayRaiseResources() {
		if err := adapt(os.Args[1:]); err != nil {
			fail(err)
		}
	}
	fail(replaceByRunc())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "runc-nores:", err)
	os.Exit(1)
}

// mayRaiseResources tells whether children of this process can be given the
// capability. When in doubt, runc is left to say so itself.
func mayRaiseResources() bool {
	held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	return err != nil || held == 1
}

// adapt edits the file that this runc command line is about to read.
func adapt(arguments []string) error {
	line := parse(arguments)
	switch {
	case line.verb == "create" || line.verb == "run":
		return edit(filepath.Join(line.bundle, "config.json"), func(whole object) object {
			process, _ := whole["process"].(object)
			return process
		})
	case line.verb == "exec" && line.process != "":
		return edit(line.process, func(whole object) object { return whole })
	}
	return nil
}

type commandLine struct{ verb, bundle, process string }

func parse(arguments []string) commandLine {
	line := commandLine{bundle: "."}
	for i, argument := range arguments {
		name, value, joined := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if !strings.HasPrefix(argument, "-") {
			if line.verb == "" && slices.Contains([]string{"create", "run", "exec"}, argument) {
				line.verb = argument
			}
			continue
		}
		if !joined && i+1 < len(arguments) {
			value = arguments[i+1]
		}
		switch name {
		case "b", "bundle":
			line.bundle = value
		case "p", "process":
			line.process = value
		}
	}
	return line
}

// edit rewrites one JSON file, numbers kept to the last digit.
func edit(path string, process func(object) object) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	whole := object{}
	err = decoder.Decode(&whole)
	file.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	soften(process(whole))
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// soften asks for no more than this machine can grant.
func soften(process object) {
	dropCapability(process)
	keepOutOfMemoryScore(process)
	clampLimits(process)
}

func dropCapability(process object) {
	sets, _ := process["capabilities"].(object)
	for name, value := range sets {
		if list, ok := value.([]any); ok {
			sets[name] = slices.DeleteFunc(list, func(one any) bool { return one == capability })
		}
	}
}

// keepOutOfMemoryScore: lowering one's own score needs the capability.
func keepOutOfMemoryScore(process object) {
	wanted, ok := process["oomScoreAdj"].(json.Number)
	if !ok {
		return
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	own, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if value, err := wanted.Int64(); err == nil && value < own {
		process["oomScoreAdj"] = own
	}
}

func clampLimits(process object) {
	list, _ := process["rlimits"].([]any)
	for _, each := range list {
		limit, _ := each.(object)
		number, known := limits[fmt.Sprint(limit["type"])]
		var own unix.Rlimit
		if !known || unix.Getrlimit(number, &own) != nil {
			continue
		}
		for _, side := range []string{"hard", "soft"} {
			value, err := strconv.ParseUint(fmt.Sprint(limit[side]), 10, 64)
			if err == nil && value > own.Max {
				limit[side] = own.Max
			}
		}
	}
}

// replaceByRunc becomes the real runc; it returns only when that fails.
func replaceByRunc() error {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return unix.Exec(runc, append([]string{runc}, os.Args[1:]...), os.Environ())
}
