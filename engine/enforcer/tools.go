//go:build tools

// Package enforcer names what its module is for: kube-router, compiled as a program, not imported
// here.
package enforcer

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
