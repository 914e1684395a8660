// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// schedulePolicy says which nodes may run jobs. It is the backup center's
// node_schedule_policy.
type schedulePolicy string

// The policies.
const (
	// exclude allows all nodes without labelExcluded.
	exclude schedulePolicy = "exclude"
	// include allows nodes with labelIncluded alone.
	include schedulePolicy = "include"
	// prefer allows all nodes: first those with labelIncluded, last those with labelExcluded.
	prefer schedulePolicy = "prefer"
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
func (p schedulePolicy) rank(node *corev1.Node) (rank int, allowed bool) {
	included := node.Labels[labelIncluded] == "true"
	excluded := node.Labels[labelExcluded] == "true"
	switch p {
	case include:
		return 0, included
	case prefer:
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

// nodeSearch is the search for the node of a job.
type nodeSearch struct {
	policy schedulePolicy
	pv     *corev1.PersistentVolume
	// mounting are the names of nodes that mount the volume. Where there are none,
	// any node will do that can mount it.
	mounting []string
	// busy are the names of nodes that run a job of the same backup or restore.
	busy map[string]bool
}

// choose returns the name of the best node: by the policy, then by name, so that it
// depends on the nodes and not on their order. The error is a *noNodeError.
func (s nodeSearch) choose(nodes []corev1.Node) (string, error) {
	type candidate struct {
		name string
		rank int
	}
	var best *candidate
	none := &noNodeError{policy: s.policy, mounting: s.mounting, obstacles: map[string]string{}}
	for _, name := range s.mounting {
		none.obstacles[name] = "is not there"
	}
	for i := range nodes {
		node := &nodes[i]
		if !s.concerns(node) {
			continue
		}
		if none.obstacles[node.Name] = s.obstacle(node); none.obstacles[node.Name] != "" {
			continue
		}
		if s.busy[node.Name] {
			none.obstacles[node.Name], none.busy = "runs another job of this backup or restore", true
			continue
		}
		rank, _ := s.policy.rank(node)
		if best == nil || rank < best.rank || rank == best.rank && node.Name < best.name {
			best = &candidate{name: node.Name, rank: rank}
		}
	}
	if best == nil {
		return "", none
	}
	return best.name, nil
}

// concerns tells whether the volume can be reached through the node, were it allowed.
func (s nodeSearch) concerns(node *corev1.Node) bool {
	return len(s.mounting) == 0 || slices.Contains(s.mounting, node.Name)
}

// obstacle says what keeps any job from the node; "" if nothing does.
func (s nodeSearch) obstacle(node *corev1.Node) string {
	_, allowed := s.policy.rank(node)
	switch {
	case node.Labels[labelNodeType] == virtualNodeType:
		return "is a virtual node"
	case !allowed && s.policy == include:
		return "has no label " + labelIncluded + "=true"
	case !allowed:
		return "has the label " + labelExcluded + "=true"
	case !isReady(node):
		return "is not ready"
	case len(s.mounting) > 0:
		return ""
	case node.Spec.Unschedulable:
		return "is cordoned, and a pod would be needed there"
	case !volume.MountableOn(s.pv, node):
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

// noNodeError says why no node can run a job.
type noNodeError struct {
	policy   schedulePolicy
	mounting []string
	// obstacles are what keeps the job from each node that could reach the volume.
	obstacles map[string]string
	// busy says that a node is only to be waited for.
	busy bool
}

// Error names what excludes each node.
func (e *noNodeError) Error() string {
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
