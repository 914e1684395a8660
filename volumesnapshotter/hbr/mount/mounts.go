// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is the cluster that Velero runs in.
type Cluster interface {
	// Namespace is Velero's. Temporary objects live in it.
	Namespace() string
	Client() (client.Client, error)
}

// Config is what a location says about mounts.
type Config struct {
	// KubeletRoot is the kubelet's directory on the nodes, with symbolic links resolved.
	KubeletRoot string
	// HostPathRoot is the directory of the nodes that the client sees besides; empty for none.
	HostPathRoot string
	// PodImage is the image of temporary Pods; empty for this plugin's own.
	PodImage string
	// Timeout is how long a temporary object may take until it is there; 0 for ten minutes.
	Timeout time.Duration
}

// defaultTimeout is Config.Timeout where it is not set.
const defaultTimeout = 10 * time.Minute

// Mounts are the mounts of volumes on the nodes of a cluster. Its methods may be called at
// the same time, but for the same owner one after the other.
type Mounts struct {
	log     logrus.FieldLogger
	cluster Cluster
	config  Config

	// mu is held from the choice of a Pod's nodes until the Pod is there.
	mu sync.Mutex
	// image is known once it has been looked for.
	image *podImage
}

// New returns the mounts of cluster. It contacts nothing.
func New(log logrus.FieldLogger, cluster Cluster, config Config) *Mounts {
	config.Timeout = cmp.Or(config.Timeout, defaultTimeout)
	return &Mounts{log: log, cluster: cluster, config: config}
}

// Nodes returns the nodes of the cluster.
func (m *Mounts) Nodes(ctx context.Context) ([]corev1.Node, error) {
	api, err := m.cluster.Client()
	if err != nil {
		return nil, err
	}
	nodes := &corev1.NodeList{}
	if err := api.List(ctx, nodes); err != nil {
		return nil, fmt.Errorf("listing the nodes: %w", err)
	}
	return nodes.Items, nil
}

// Mounted returns where running Pods have pv mounted: one place a node, sorted by node,
// none if no Pod mounts it. That the client does not see such a volume is a final error.
func (m *Mounts) Mounted(ctx context.Context, pv *corev1.PersistentVolume) ([]Place, error) {
	api, err := m.cluster.Client()
	if err != nil {
		return nil, err
	}
	if err := m.config.visible(pv); err != nil {
		return nil, err
	}
	found, err := podsWith(ctx, api, pv)
	if err != nil {
		return nil, err
	}
	var places []Place
	for i := range found {
		if place, err := placeIn(m.config.KubeletRoot, &found[i], pv); err == nil {
			places = append(places, place)
		}
	}
	slices.SortStableFunc(places, func(a, b Place) int { return cmp.Compare(a.Node, b.Node) })
	return slices.CompactFunc(places, func(a, b Place) bool { return a.Node == b.Node }), nil
}

// podsWith returns the Pods that may mount pv: those in the namespace of its claim, sorted
// by name. A claim that is bound to another volume than pv is not its claim any more.
func podsWith(ctx context.Context, api client.Client, pv *corev1.PersistentVolume) ([]corev1.Pod, error) {
	ref := pv.Spec.ClaimRef
	if ref == nil {
		return nil, nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	err := api.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, claim)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the claim %s/%s: %w", ref.Namespace, ref.Name, err)
	case claim.Spec.VolumeName != pv.Name:
		return nil, nil
	}
	found := &corev1.PodList{}
	if err := api.List(ctx, found, client.InNamespace(ref.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the pods of the namespace %s: %w", ref.Namespace, err)
	}
	slices.SortFunc(found.Items, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return found.Items, nil
}
