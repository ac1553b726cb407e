// Command rbac says what Kubernetes' own RBAC authorizer allows. It reads one
// world on each line and writes one answer on each line, in JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	_ "unsafe" // for go:linkname

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/informers"
	rbacinformers "k8s.io/client-go/informers/rbac/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
)

type world struct {
	Roles               []*rbacv1.Role
	ClusterRoles        []*rbacv1.ClusterRole
	RoleBindings        []*rbacv1.RoleBinding
	ClusterRoleBindings []*rbacv1.ClusterRoleBinding
	Requests            []request
}

type request struct {
	User                                                      string
	Groups                                                    []string
	Verb, Group, Resource, Subresource, Name, Namespace, Path string
}

type answer struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
}

func main() {
	aggregation := newAggregation()
	questions, answers := json.NewDecoder(bufio.NewReader(os.Stdin)), bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for {
		var w world
		if err := questions.Decode(&w); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		aggregation.settle(w.ClusterRoles)
		if err := json.NewEncoder(answers).Encode(w.answers()); err != nil {
			log.Fatal(err)
		}
	}
}

func (w *world) answers() []answer {
	_, static := validation.NewTestRuleResolver(w.Roles, w.RoleBindings, w.ClusterRoles, w.ClusterRoleBindings)
	authorizes := rbac.New(static, static, static, static)
	var answers []answer
	for _, r := range w.Requests {
		decision, reason, _ := authorizes.Authorize(context.Background(), authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: r.User, Groups: r.Groups},
			Verb: r.Verb, Namespace: r.Namespace, APIGroup: r.Group, Resource: r.Resource, Subresource: r.Subresource,
			Name: r.Name, Path: r.Path, ResourceRequest: r.Path == "",
		})
		answers = append(answers, answer{decision == authorizer.DecisionAllow, reason})
	}
	return answers
}

// aggregation is the controller that fills aggregated ClusterRoles, over a
// cache that nothing feeds but settle.
type aggregation struct {
	rbacclient.ClusterRoleInterface
	controller *clusterroleaggregation.ClusterRoleAggregationController
	informer   rbacinformers.ClusterRoleInformer
	written    map[string][]rbacv1.PolicyRule
}

func newAggregation() *aggregation {
	a := &aggregation{informer: informers.NewSharedInformerFactory(nil, 0).Rbac().V1().ClusterRoles()}
	a.controller = clusterroleaggregation.NewClusterRoleAggregation(a.informer, a)
	return a
}

// settle gives every ClusterRole the rules that the controller writes into it,
// seeing the others as they are.
func (a *aggregation) settle(roles []*rbacv1.ClusterRole) {
	var items []any
	for _, r := range roles {
		items = append(items, r)
	}
	if err := a.informer.Informer().GetIndexer().Replace(items, ""); err != nil {
		log.Fatal(err)
	}
	a.written = map[string][]rbacv1.PolicyRule{}
	for _, r := range roles {
		if err := syncClusterRole(a.controller, context.Background(), r.Name); err != nil {
			log.Fatal(err)
		}
	}
	for _, r := range roles {
		if rules := a.written[r.Name]; rules != nil {
			r.Rules = rules
		}
	}
}

//go:linkname syncClusterRole k8s.io/kubernetes/pkg/controller/clusterroleaggregation.(*ClusterRoleAggregationController).syncClusterRole
func syncClusterRole(c *clusterroleaggregation.ClusterRoleAggregationController, ctx context.Context, key string) error

// ClusterRoles makes an aggregation the client that the controller writes with.
func (a *aggregation) ClusterRoles() rbacclient.ClusterRoleInterface { return a }

// Apply notes what the controller writes. To apply no rules is to leave those
// that somebody else wrote.
func (a *aggregation) Apply(_ context.Context, role *rbacv1ac.ClusterRoleApplyConfiguration, _ metav1.ApplyOptions) (*rbacv1.ClusterRole, error) {
	var rules []rbacv1.PolicyRule
	for _, r := range role.Rules {
		rules = append(rules, rbacv1.PolicyRule{
			Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames,
			NonResourceURLs: r.NonResourceURLs,
		})
	}
	a.written[*role.Name] = rules
	return nil, nil
}
