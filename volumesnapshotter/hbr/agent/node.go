// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Policy says which nodes may run jobs. It is the backup center's
// node_schedule_policy.
type Policy string

// The policies.
const (
	// Exclude allows all nodes without the label csdr.alibabacloud.com/agent-excluded=true.
	Exclude Policy = "exclude"
	// Include allows nodes with the label csdr.alibabacloud.com/agent-included=true alone.
	Include Policy = "include"
	// Prefer allows all nodes: first those with agent-included, last those with agent-excluded.
	Prefer Policy = "prefer"
)

// Labels of nodes, by which the policies choose where they are "true".
const (
	labelExcluded = "csdr.alibabacloud.com/agent-excluded"
	labelIncluded = "csdr.alibabacloud.com/agent-included"
)

// A virtual node has no file system that a client could read.
const (
	labelNodeType   = "type"
	virtualNodeType = "virtual-kubelet"
)

// rank orders the nodes that the policy allows, the least first; allowed is false for
// the others.
func (p Policy) rank(node *corev1.Node) (rank int, allowed bool) {
	included := node.Labels[labelIncluded] == "true"
	excluded := node.Labels[labelExcluded] == "true"
	switch p {
	case Include:
		return 0, included
	case Prefer:
		switch {
		case included:
			return 0, true
		case excluded:
			return 2, true
		default:
			return 1, true
		}
	default:
		return 0, !excluded
	}
}

// Preferences are what the scheduler prefers among nodes that the policy allows, so that
// it takes them in the policy's order where nothing else speaks against it; nil for none.
func (p Policy) Preferences() []corev1.PreferredSchedulingTerm {
	if p != Prefer {
		return nil
	}
	prefer := func(weight int32, label string, operator corev1.NodeSelectorOperator) corev1.PreferredSchedulingTerm {
		return corev1.PreferredSchedulingTerm{Weight: weight, Preference: corev1.NodeSelectorTerm{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: operator, Values: []string{"true"}}},
		}}
	}
	// A node with both labels counts as included, so the weights differ by more than the sum.
	return []corev1.PreferredSchedulingTerm{
		prefer(100, labelIncluded, corev1.NodeSelectorOpIn),
		prefer(10, labelExcluded, corev1.NodeSelectorOpNotIn),
	}
}

// Search is the search for the node of a job.
type Search struct {
	Policy Policy
	// PV is the volume; nil where it is to be made yet.
	PV *corev1.PersistentVolume
	// Mounting are the names of nodes that mount the volume. Where there are none,
	// any node will do that can mount it.
	Mounting []string
	// Busy are the names of nodes that run a job of the same backup or restore.
	Busy map[string]bool
}

// Choose returns the name of the best node: by the policy, then by name, so that it
// depends on the nodes and not on their order. The error is a *NoNodeError.
func (s Search) Choose(nodes []corev1.Node) (string, error) {
	names, err := s.Candidates(nodes)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// Candidates returns the names of all nodes that can run the job, the best first. There
// is at least one, or the error is a *NoNodeError.
func (s Search) Candidates(nodes []corev1.Node) ([]string, error) {
	type candidate struct {
		name string
		rank int
	}
	var found []candidate
	none := &NoNodeError{policy: s.Policy, mounting: s.Mounting, obstacles: map[string]string{}}
	for _, name := range s.Mounting {
		none.obstacles[name] = "is not there"
	}
	for i := range nodes {
		node := &nodes[i]
		if !s.concerns(node) {
			continue
		}
		if none.obstacles[node.Name] = s.obstacle(node); none.obstacles[node.Name] != "" {
			none.Unready = none.Unready || none.obstacles[node.Name] == notReady
			continue
		}
		if s.Busy[node.Name] {
			none.obstacles[node.Name], none.Busy = "runs another job of this backup or restore", true
			continue
		}
		rank, _ := s.Policy.rank(node)
		found = append(found, candidate{name: node.Name, rank: rank})
	}
	if len(found) == 0 {
		return nil, none
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	names := make([]string, 0, len(found))
	for _, c := range found {
		names = append(names, c.name)
	}
	return names, nil
}

// concerns tells whether the volume can be reached through the node, were it allowed.
func (s Search) concerns(node *corev1.Node) bool {
	return len(s.Mounting) == 0 || slices.Contains(s.Mounting, node.Name)
}

// notReady is the obstacle that a node may overcome by itself.
const notReady = "is not ready"

// obstacle says what keeps any job from the node; "" if nothing does.
func (s Search) obstacle(node *corev1.Node) string {
	_, allowed := s.Policy.rank(node)
	switch {
	case node.Labels[labelNodeType] == virtualNodeType:
		return "is a virtual node"
	case !allowed && s.Policy == Include:
		return "has no label " + labelIncluded + "=true"
	case !allowed:
		return "has the label " + labelExcluded + "=true"
	case !isReady(node):
		return notReady
	case len(s.Mounting) > 0:
		return ""
	case node.Spec.Unschedulable:
		return "is cordoned, and a pod would be needed there"
	case s.PV != nil && !volume.MountableOn(s.PV, node):
		return "cannot mount the volume by its node affinity"
	default:
		return ""
	}
}

func isReady(node *corev1.Node) bool {
	return node.DeletionTimestamp == nil && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// maxObstacles is how many nodes an error names.
const maxObstacles = 10

// NoNodeError says why no node can run a job.
type NoNodeError struct {
	// Busy says that a node is only to be waited for.
	Busy bool
	// Unready says that a node would do if it were ready.
	Unready bool

	policy   Policy
	mounting []string
	// obstacles are what keeps the job from each node that could reach the volume.
	obstacles map[string]string
}

// Outcome says what becomes of the job: what it waits for, where another one is to leave
// its node first; else the error, which is final unless a node may become ready. What is
// waited for is a noun phrase that completes "waiting for …".
func (e *NoNodeError) Outcome() (waiting string, err error) {
	switch {
	case e.Busy:
		return "a node: " + e.Error(), nil
	case e.Unready:
		return "", e
	default:
		return "", final.Of(e)
	}
}

// Error names what excludes each node.
func (e *NoNodeError) Error() string {
	text := fmt.Sprintf("no node can run the job of Cloud Backup (config key nodeSchedulePolicy: %s)", e.policy)
	switch len(e.mounting) {
	case 0:
	case 1:
		text += ", and one alone mounts the volume"
	default:
		text += fmt.Sprintf(", and %d alone mount the volume", len(e.mounting))
	}
	if len(e.obstacles) == 0 {
		return text + ": the cluster has none"
	}
	obstacles := make([]string, 0, len(e.obstacles))
	for name, obstacle := range e.obstacles {
		obstacles = append(obstacles, name+" "+obstacle)
	}
	slices.Sort(obstacles)
	if more := len(obstacles) - maxObstacles; more > 0 {
		obstacles = append(obstacles[:maxObstacles], fmt.Sprintf("and %d more", more))
	}
	return text + ": " + strings.Join(obstacles, ", ")
}
