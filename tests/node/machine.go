// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// DefaultKubeletRoot is the --root-dir that a kubelet has by default.
const DefaultKubeletRoot = "/var/lib/kubelet"

// Labels and taints of Nodes.
const (
	// diskZoneLabel is set by the CSI driver of disks.
	diskZoneLabel = provisioner.DiskZoneLabel
	// A virtual node is an endpoint of Elastic Container Instance and no machine.
	typeLabel    = "type"
	virtualType  = "virtual-kubelet"
	virtualTaint = "virtual-kubelet.io/provider"
)

// Config is a Node. It is what the Node is at first: the test changes it through the API.
type Config struct {
	Name string
	// Zone is that of its labels. Empty means none.
	Zone string
	// Labels are further ones.
	Labels   map[string]string
	Taints   []corev1.Taint
	NotReady bool
	Cordoned bool
	// Virtual makes it one whose Pods run without any file system.
	Virtual bool
	// KubeletRoot is the kubelet's --root-dir. Empty means DefaultKubeletRoot.
	KubeletRoot string
	// Links are symbolic links in the node's file system: the target by the link's absolute path. Targets are made as
	// directories where they are absolute. A KubeletRoot may lie behind one.
	Links map[string]string
	// Directories are made in the file system, by absolute path: those of local volumes.
	Directories []string
}

// machine is a node as its kubelet knows it.
type machine struct {
	name        string
	virtual     bool
	kubeletRoot string
	files       *tree.Machine
}

// AddNode adds a node, and its Node unless there is one of the name.
func (c *Cluster) AddNode(ctx context.Context, config Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.nodes[config.Name]; taken {
		return fmt.Errorf("simulated node %s: there is one already", config.Name)
	}
	if config.KubeletRoot == "" {
		config.KubeletRoot = DefaultKubeletRoot
	}
	root, err := c.makeDir("nodes", config.Name)
	if err != nil {
		return fmt.Errorf("simulated node %s: %w", config.Name, err)
	}
	n := &machine{
		name: config.Name, virtual: config.Virtual, kubeletRoot: config.KubeletRoot, files: tree.NewMachine(root),
	}
	if err := n.fill(root, config); err != nil {
		return fmt.Errorf("simulated node %s: %w", config.Name, err)
	}
	if err := c.createNode(ctx, config); err != nil {
		return fmt.Errorf("simulated node %s: %w", config.Name, err)
	}
	c.nodes[config.Name] = n
	return nil
}

// fill makes what is in the file system at first.
func (n *machine) fill(root string, config Config) error {
	for _, link := range slices.Sorted(maps.Keys(config.Links)) {
		target := config.Links[link]
		if path.IsAbs(target) {
			if _, err := n.files.Make(target); err != nil {
				return err
			}
		}
		dir, err := n.files.Make(path.Dir(link))
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(dir, path.Base(link))); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, dir := range append(config.Directories, path.Join(config.KubeletRoot, "pods")) {
		if _, err := n.files.Make(dir); err != nil {
			return fmt.Errorf("below %s: %w", root, err)
		}
	}
	return nil
}

// createNode makes the Node.
func (c *Cluster) createNode(ctx context.Context, config Config) error {
	labels := map[string]string{corev1.LabelHostname: config.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
	if config.Zone != "" {
		labels[corev1.LabelTopologyZone], labels[diskZoneLabel] = config.Zone, config.Zone
		labels[corev1.LabelTopologyRegion] = regionOf(config.Zone)
	}
	taints := slices.Clone(config.Taints)
	if config.Virtual {
		labels[typeLabel] = virtualType
		taints = append(taints, corev1.Taint{Key: virtualTaint, Value: "alibabacloud", Effect: corev1.TaintEffectNoSchedule})
	}
	maps.Copy(labels, config.Labels)
	made := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: config.Name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: taints, Unschedulable: config.Cordoned},
	}
	if err := c.client.Create(ctx, made); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	before := made.DeepCopy()
	now := metav1.NewTime(c.options.Now())
	ready := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
	}
	if config.NotReady {
		ready.Status, ready.Reason = corev1.ConditionUnknown, "NodeStatusUnknown"
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("1000"),
	}
	made.Status = corev1.NodeStatus{Capacity: capacity, Allocatable: capacity, Conditions: []corev1.NodeCondition{ready}}
	return c.client.Status().Patch(ctx, made, client.MergeFrom(before))
}

// regionOf returns the region of a zone, cn-hangzhou of cn-hangzhou-h.
func regionOf(zone string) string {
	return zone[:max(0, strings.LastIndex(zone, "-"))]
}

// podDir is the directory of a Pod on a node.
func (n *machine) podDir(pod *corev1.Pod) string {
	return path.Join(n.kubeletRoot, "pods", string(pod.UID))
}

// kubeletOf returns the machine of a node whose kubelet works, nil if there is none.
func (r *round) kubeletOf(name string) *machine {
	at := slices.IndexFunc(r.nodes, func(n corev1.Node) bool { return n.Name == name })
	if at < 0 || !isReady(&r.nodes[at]) {
		return nil
	}
	return r.Cluster.nodes[name]
}

func isReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
