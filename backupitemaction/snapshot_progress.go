// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/silence"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// SnapshotProgressName is the name that NewSnapshotProgress's action is registered by.
const SnapshotProgressName = "alibabacloud.com/snapshot-progress"

// callTimeout bounds a call of Velero. What a poll cannot do in it, the next does.
const callTimeout = 2 * time.Minute

// Snapshots is a snapshotter whose snapshots take time. Its methods may run in another
// process than the one that began the snapshot, and several at a time.
type Snapshots interface {
	// VolumeAt returns the id of the storage behind pv by a location's config, "" if this
	// snapshotter leaves it to others.
	VolumeAt(location map[string]string, pv *corev1.PersistentVolume) (string, error)
	// SnapshotProgress tells how far the snapshot is that backup took of the
	// PersistentVolume named pv. One that failed is Completed with Err; one that nobody
	// asked for is Completed. An error may pass.
	SnapshotProgress(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, volumeID string) (velero.OperationProgress, error)
	// CancelSnapshot ends the snapshot. One that has ended, or is not there, is no error.
	CancelSnapshot(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, volumeID string) error
}

// Cluster is the cluster that is backed up.
type Cluster interface {
	Clients
	// SnapshotLocationOf returns the configuration of the VolumeSnapshotLocation of
	// provider that the backup is made with, and its credentials; cluster.ErrNoLocation if
	// it is made without one.
	SnapshotLocationOf(ctx context.Context, backup *velerov1.Backup, provider string) (map[string]string, error)
}

// SnapshotProgress is the BackupItemAction (v2) on PersistentVolumes that makes a backup
// wait for its snapshots. To Velero a snapshot is done as soon as CreateSnapshot returns;
// with the operation that this action returns for it the backup goes on until the
// data is safe, shows how far it is, and is PartiallyFailed if the snapshot fails.
//
// The operation is returned before Velero asks for the snapshot, and says of which volume
// one is expected. Only a PersistentVolume that Velero is going to hand to the snapshotter
// has one.
type SnapshotProgress struct {
	log       logrus.FieldLogger
	cluster   Cluster
	server    Server
	providers map[string]Snapshots

	// natives and locations are what this process has read for Backups.
	natives   once.Values[types.UID, *native]
	locations once.Values[locationKey, location]
	// warned has the drivers that were warned of.
	warned once.Seen
	// silence has the providers that did not answer since the plugin was started.
	silence silence.Keeper
}

// NewSnapshotProgress returns the action for the snapshots that providers, by the
// provider of their VolumeSnapshotLocations, take. It contacts nothing.
func NewSnapshotProgress(log logrus.FieldLogger, source Cluster, server Server, providers map[string]Snapshots) *SnapshotProgress {
	return &SnapshotProgress{
		log:       log,
		cluster:   source,
		server:    server,
		providers: providers,
	}
}

// Name returns SnapshotProgressName.
func (a *SnapshotProgress) Name() string { return SnapshotProgressName }

// AppliesTo returns PersistentVolumes.
func (a *SnapshotProgress) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: []string{kuberesource.PersistentVolumes.Resource}}, nil
}

// Execute returns the item as it is, and the id of an operation if Velero is going to
// have it snapshotted by one of the providers. It is returned also where nobody can tell
// whether Velero is: an operation on no snapshot is over at once. Where nobody can tell
// whether a provider takes the volume the backup is partial, for it does not wait then.
func (a *SnapshotProgress) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, string, []velero.ResourceIdentifier, error) {
	if isFinalizing(backup) {
		return item, nil, "", nil, nil
	}
	pv, err := volume.FromItem(item)
	if err != nil {
		a.log.WithError(err).Warn("Cannot read a PersistentVolume, so the backup does not wait for its snapshot")
		return item, nil, "", nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if a.isLeftToDriver(pv) {
		a.warnOfDriver(ctx, item, pv, backup)
		return item, nil, "", nil, nil
	}
	log := a.log.WithField("name", pv.Name)
	op, err := a.expect(ctx, pv, backup)
	if err != nil {
		log.WithError(err).Error("Cannot tell whether the PersistentVolume is snapshotted: nobody will know whether its snapshot succeeds")
	}
	if op == (operation{}) {
		return item, nil, "", nil, nil
	}
	asked, err := a.asks(ctx, item, pv, backup)
	if err != nil {
		log.WithError(err).Warn("Cannot tell whether Velero has the PersistentVolume snapshotted: the backup waits for a snapshot if there is one")
	}
	if err == nil && !asked {
		return item, nil, "", nil, nil
	}
	log.WithFields(op.fields()).Info("The backup waits for the snapshot of the PersistentVolume")
	return item, nil, op.String(), nil, nil
}

// asks tells whether Velero asks for a snapshot of pv, which item is.
func (a *SnapshotProgress) asks(ctx context.Context, item runtime.Unstructured, pv *corev1.PersistentVolume, backup *velerov1.Backup) (bool, error) {
	decision, err := a.nativeOf(backup)
	if err != nil {
		return false, err
	}
	return decision.snapshots(ctx, item, pv)
}

// isFinalizing tells whether Velero has waited for the operations of the backup already.
func isFinalizing(backup *velerov1.Backup) bool {
	return backup.Status.Phase == velerov1.BackupPhaseFinalizing ||
		backup.Status.Phase == velerov1.BackupPhaseFinalizingPartiallyFailed
}

// expect returns the operation on a snapshot of pv, the zero one if no provider that the
// backup is made with takes it. As Velero does, it goes on to the next where one fails.
func (a *SnapshotProgress) expect(ctx context.Context, pv *corev1.PersistentVolume, backup *velerov1.Backup) (operation, error) {
	var (
		expected operation
		failures []error
	)
	for _, provider := range slices.Sorted(maps.Keys(a.providers)) {
		id, err := a.volumeID(ctx, pv, backup, provider)
		switch {
		case err != nil:
			failures = append(failures, err)
		case id == "":
		case expected != operation{}:
			// Velero asks the locations in an order of its own, and the first has it.
			return expected, fmt.Errorf("the locations of the providers %s and %s both take the volume %s: leave it to one of them (config key enableECSSnapshot of both)",
				expected.Provider, provider, id)
		default:
			expected = operation{PersistentVolume: pv.Name, Provider: provider, Volume: id}
		}
	}
	if expected != (operation{}) {
		return expected, nil
	}
	return operation{}, errors.Join(failures...)
}

// volumeID returns the id of the storage behind pv, "" if the provider does not take it.
func (a *SnapshotProgress) volumeID(ctx context.Context, pv *corev1.PersistentVolume, backup *velerov1.Backup, provider string) (string, error) {
	location, err := a.locationOf(ctx, backup, provider)
	if errors.Is(err, cluster.ErrNoLocation) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id, err := a.providers[provider].VolumeAt(location, pv)
	if err != nil {
		return "", fmt.Errorf("asking the provider %s for the storage of the PersistentVolume: %w", provider, err)
	}
	return id, nil
}
