// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ossfs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/events"
)

// Options say what a Cluster is like.
type Options struct {
	// Cloud has the storage, and the Cloud Backup that the clients register with.
	Cloud *cloudsim.Cloud
	// Account is who owns the storage that is provisioned.
	Account string
	// Dir is the directory with the file systems of the nodes, and with the volumes that are not of the cloud.
	Dir string
	// Nodes are the first ones.
	Nodes []Config
	// Namespaces are those whose Pods and claims are looked after. None means all.
	Namespaces []string
	// ControllerManager says that there is no kube-controller-manager: claims are bound, Pods of DaemonSets made, and what is
	// in use is kept from deletion.
	ControllerManager bool
	// FirstConsumer is the node that claims get which wait for their first Pod, where there is none to come. Empty lets them
	// wait.
	FirstConsumer string
	// Snapshots says that the cluster has VolumeSnapshots, and that the driver of disks makes them.
	Snapshots bool
	// FileSystems are the mount targets of CNFS objects, by the name that a StorageClass has for them.
	FileSystems map[string]string
	// Volume returns the content of a volume in place of Cluster.Content.
	Volume func(*corev1.PersistentVolume) (Content, error)
	// Faults are what goes wrong from the start.
	Faults Faults
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Faults decide what goes wrong. An error is why, in the words of the event or the status that tells of it. nil
// functions let nothing go wrong.
type Faults struct {
	// Provision fails the provisioning of a claim.
	Provision func(*corev1.PersistentVolumeClaim) error
	// Mount fails the mounting of a volume for a Pod.
	Mount func(*corev1.Pod, *corev1.PersistentVolume) error
	// Pull fails the pulling of an image.
	Pull func(image string) error
	// Crash ends the containers of a Pod as soon as they run.
	Crash func(*corev1.Pod) error
}

// Cluster is a simulation. It is safe for concurrent use.
type Cluster struct {
	client  client.WithWatch
	options Options
	storage *storage
	events  *events.Recorder

	// mu guards everything below, and lets one round run at a time.
	mu     sync.Mutex
	nodes  map[string]*machine
	faults Faults
	// pods are those that have something on a node.
	pods map[types.UID]*pod
	// failed are the errors of rounds that nobody waited for.
	failed []error

	follower follower
}

// New returns a cluster with its Nodes, in which nothing happens but by Settle. The caller must Close it.
func New(ctx context.Context, api client.WithWatch, options Options) (*Cluster, error) {
	if options.Cloud == nil || options.Dir == "" {
		return nil, errors.New("simulated nodes: Cloud and Dir are required")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	c := &Cluster{
		client: api, options: options, faults: options.Faults, nodes: map[string]*machine{}, pods: map[types.UID]*pod{},
		events: events.NewRecorder(api, options.Now),
		storage: &storage{
			cloud: options.Cloud, account: options.Account, fileSystems: options.FileSystems,
			dir: filepath.Join(options.Dir, "volumes"), buckets: ossfs.NewMounts(options.Cloud.OSS(), filepath.Join(options.Dir, "volumes", "oss")),
		},
	}
	for _, config := range options.Nodes {
		if err := c.AddNode(ctx, config); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Start returns a cluster that follows what happens until ctx ends or Close is called.
func Start(ctx context.Context, api client.WithWatch, options Options) (*Cluster, error) {
	c, err := New(ctx, api, options)
	if err != nil {
		return nil, err
	}
	if err := c.follow(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends what Start began and waits for it. It takes the agents out of Cloud Backup and writes what is mounted of
// buckets back. The objects stay. The error also has what went wrong before that nobody was told.
func (c *Cluster) Close() error {
	c.follower.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := c.failed
	c.failed = nil
	for uid := range c.pods {
		errs = append(errs, c.stop(uid))
	}
	return errors.Join(errs...)
}

// SetFaults replaces what goes wrong. It does not undo what has gone wrong, and what has gone right stays so.
func (c *Cluster) SetFaults(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
}

// Files returns the file system of a node, with what is mounted in it; nil for a node that is not simulated.
func (c *Cluster) Files(name string) *tree.Machine {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.nodes[name]; ok {
		return n.files
	}
	return nil
}

// Content returns the files of a volume, whether it is mounted or not. The paths of local volumes are for one node and
// have none here. A volume of another driver than those of the cloud is a directory that is made when it is first needed.
func (c *Cluster) Content(pv *corev1.PersistentVolume) (Content, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.storage.open(pv)
}

// Flush writes what was changed in mounted volumes to where their content is kept: of OSS to the bucket. Unmounting does
// so too.
func (c *Cluster) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range c.pods {
		for _, m := range p.mounts {
			errs = append(errs, m.content.flush())
		}
	}
	return errors.Join(errs...)
}

// maxRounds is how many rounds Settle makes. A cluster in which more than that happens never comes to rest.
const maxRounds = 100

// Settle does all that there is to do now, and what follows from that.
func (c *Cluster) Settle(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range maxRounds {
		r := round{Cluster: c, classes: map[string]*storagev1.StorageClass{}}
		if err := r.run(ctx); err != nil {
			return fmt.Errorf("simulated nodes: %w", err)
		}
		if !r.changed {
			return nil
		}
	}
	return errors.New("simulated nodes: the cluster does not come to rest")
}

// concerns says whether what is in a namespace is looked after.
func (c *Cluster) concerns(namespace string) bool {
	return len(c.options.Namespaces) == 0 || slices.Contains(c.options.Namespaces, namespace)
}

func (c *Cluster) makeDir(parts ...string) (string, error) {
	dir := filepath.Join(append([]string{c.options.Dir}, parts...)...)
	return dir, os.MkdirAll(dir, 0o755)
}
