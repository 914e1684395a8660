// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/silence"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeReadyName is the name that NewVolumeReady's action is registered by.
const VolumeReadyName = "alibabacloud.com/volume-ready"

// What a call cannot do in its time, the next poll does.
const (
	progressTimeout  = 2 * time.Minute
	leftoversTimeout = 5 * time.Minute
)

// Volumes makes volumes. Its methods may run in another process than the one in
// which the volume was begun: what they know is in their arguments and in the cloud.
type Volumes interface {
	// VolumeID returns the id of the volume behind pv, "" if it is none of these.
	VolumeID(pv *corev1.PersistentVolume) string
	// Progress tells how far the volume of pv is, and drives it on. pv has the claim that
	// is its own. An error may pass; a volume that never becomes whole is Completed with Err.
	Progress(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (velero.OperationProgress, error)
	// Finish returns pv as that of the finished volume: its final id, zone and region.
	Finish(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error)
	// Settle removes what was there for the making of the volume alone. The finished
	// PersistentVolume is in the cluster by then. What is not there any more is no error.
	Settle(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error
	// Discard removes what was made of the volume. What is not there any more is no error.
	Discard(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error
}

// Provider is who makes the volumes of the locations of a provider.
type Provider struct {
	// Name is what VolumeSnapshotLocations have as their provider.
	Name    string
	Volumes Volumes
	// OfOneRestore says that the ids of volumes that are being made are of the restore that
	// makes them alone.
	OfOneRestore bool
}

// Cluster is the cluster that is restored to.
type Cluster interface {
	Clients
	// Restores returns all Restores of this Velero.
	Restores(ctx context.Context) ([]velerov1.Restore, error)
	// SnapshotLocation returns the configuration of the VolumeSnapshotLocation of
	// provider that a Backup was made with, and its credentials.
	SnapshotLocation(ctx context.Context, backup, provider string) (map[string]string, error)
}

// VolumeReady is the RestoreItemAction (v2) on PersistentVolumes that keeps claims
// from volumes that are still being made, so that many are made at a time while
// no Pod starts on half of one.
//
// Such a PersistentVolume is restored with a claimRef that no claim answers to: it
// is held. Whoever finds the volume whole gives the PersistentVolume its real
// claimRef: the process of the restore as long as it lives, and then the polls by
// which Velero asks for the operation of each. If the volume fails or takes
// longer than the Restore's itemOperationTimeout, PersistentVolume and volume are
// removed.
//
// Each poll comes in a new process. All that is known is in the operation's id, in
// the held PersistentVolume, and, while that is replaced, in a ConfigMap; so a
// process may be killed between any two steps, and the next poll goes on.
type VolumeReady struct {
	log       logrus.FieldLogger
	cluster   Cluster
	providers []Provider

	leftovers sync.Once
	// closed ends what runs in the background.
	closed    chan struct{}
	closeOnce sync.Once

	mu        sync.Mutex
	locations map[locationKey]map[string]string
	// held are the operations of this process, while it restores, and releasing
	// tells whether somebody looks after them.
	held      map[operation]*velerov1.Restore
	releasing bool
	// silence has the providers that did not answer since the plugin was started.
	silence silence.Keeper
}

// locationKey names the location of a provider that a restore's backup was made with.
type locationKey struct {
	restore  types.UID
	provider string
}

// NewVolumeReady returns the action for the volumes of the providers. Of several that
// know a PersistentVolume the first one makes its volume. It contacts nothing.
func NewVolumeReady(log logrus.FieldLogger, target Cluster, providers ...Provider) *VolumeReady {
	return &VolumeReady{
		log:       log,
		cluster:   target,
		providers: providers,
		locations: map[locationKey]map[string]string{},
		held:      map[operation]*velerov1.Restore{},
		closed:    make(chan struct{}),
	}
}

// Name returns VolumeReadyName.
func (a *VolumeReady) Name() string { return VolumeReadyName }

// Close ends what runs in the background. Velero does not call it.
func (a *VolumeReady) Close() { a.closeOnce.Do(func() { close(a.closed) }) }

// AppliesTo returns PersistentVolumes.
//
// It also starts the removal of what ended restores have left held, once in a
// process. This is the one call that Velero makes to the action before it looks at
// the first PersistentVolume: where a held one of the same name is left, Velero
// waits for up to its terminating-resource-timeout, without asking any action, and
// goes on as soon as that is gone. AppliesTo itself must answer at once and never
// fail, for its error would fail every restore.
func (a *VolumeReady) AppliesTo() (velero.ResourceSelector, error) {
	a.leftovers.Do(func() {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), leftoversTimeout)
			defer cancel()
			if err := a.removeLeftovers(ctx); err != nil {
				a.log.WithError(err).Info("Held PersistentVolumes of ended restores may be left")
			}
		}()
	})
	return velero.ResourceSelector{IncludedResources: []string{resourceVolumes}}, nil
}

// Execute holds a PersistentVolume whose volume is still being made and returns
// the id of the operation that releases it. One whose volume is whole is returned
// as that of the finished volume; any other, and one that no volume was made for,
// unchanged. The error of a volume that cannot become whole keeps its
// PersistentVolume from being restored.
func (a *VolumeReady) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	pv, err := volume.FromItem(input.Item)
	if err != nil {
		return nil, err
	}
	fromBackup, err := volume.FromItem(input.ItemFromBackup)
	if err != nil {
		return nil, err
	}
	op := a.operationOf(pv)
	present, held, err := holdOf(pv)
	if op.Volume == "" || op.Volume == a.operationOf(fromBackup).Volume && !held {
		return velero.NewRestoreItemActionExecuteOutput(input.Item), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), executeTimeout)
	defer cancel()
	if err != nil {
		return nil, errors.Join(err, a.discard(ctx, op, input.Restore))
	}
	if held && present.isOf(op, input.Restore) {
		return velero.NewRestoreItemActionExecuteOutput(input.Item).WithOperationID(op.String()), nil
	}
	if held && op.Volume == a.operationOf(fromBackup).Volume && a.isOfOneRestore(op) {
		return nil, fmt.Errorf("the PersistentVolume %s was backed up while a restore still filled it, and this restore has no data for it: restore it from another backup", pv.Name)
	}
	if held {
		// The backup was taken while another restore held it.
		present.release(pv)
		if claim := pv.Spec.ClaimRef; claim != nil {
			claim.Namespace = targetNamespace(input.Restore, claim.Namespace)
		}
	}
	return a.executeOn(ctx, pv, op, input.Restore)
}

// executeOn holds or finishes pv, which is not held.
func (a *VolumeReady) executeOn(ctx context.Context, pv *corev1.PersistentVolume, op operation, restore *velerov1.Restore) (*velero.RestoreItemActionExecuteOutput, error) {
	finished, err := a.finishNow(ctx, pv, op, restore)
	if failed := (&failedError{}); errors.As(err, &failed) {
		return nil, errors.Join(err, a.discard(ctx, op, restore))
	}
	if err == nil && finished != nil {
		item, err := itemOf(finished)
		if err != nil {
			return nil, err
		}
		return velero.NewRestoreItemActionExecuteOutput(item), nil
	}
	if errors.Is(err, cluster.ErrNoLocation) {
		// Somebody else has given it another volume: none was made of a snapshot.
		item, err := itemOf(pv)
		if err != nil {
			return nil, err
		}
		return velero.NewRestoreItemActionExecuteOutput(item), nil
	}
	log := a.log.WithFields(logrus.Fields{"name": op.PersistentVolume, "volume": op.Volume})
	if err != nil {
		// This may pass, and the polls have hours.
		log = log.WithError(err)
	}
	log.Info("Holding the PersistentVolume until its volume is whole")
	newHold(op, restore, pv.Spec.ClaimRef).put(pv, a.cluster.Namespace())
	item, err := itemOf(pv)
	if err != nil {
		return nil, err
	}
	a.releaseWhenWhole(op, restore) //nolint:contextcheck // It goes on when this call has ended.
	return velero.NewRestoreItemActionExecuteOutput(item).WithOperationID(op.String()), nil
}

// operationOf returns the operation for the volume of pv, without one if no provider
// knows it.
func (a *VolumeReady) operationOf(pv *corev1.PersistentVolume) operation {
	for _, p := range a.providers {
		if id := p.Volumes.VolumeID(pv); id != "" {
			return operation{PersistentVolume: pv.Name, Volume: id, Provider: p.Name}
		}
	}
	return operation{PersistentVolume: pv.Name}
}

// isOfOneRestore tells whether the volume of an operation is of the restore that makes it alone.
func (a *VolumeReady) isOfOneRestore(op operation) bool {
	return slices.ContainsFunc(a.providers, func(p Provider) bool { return p.Name == op.Provider && p.OfOneRestore })
}

// making returns who makes the volume of an operation, and the location for it.
func (a *VolumeReady) making(ctx context.Context, op operation, restore *velerov1.Restore) (Volumes, map[string]string, error) {
	i := slices.IndexFunc(a.providers, func(p Provider) bool { return p.Name == op.Provider })
	if i < 0 {
		return nil, nil, fmt.Errorf("no volumes of the provider %q are made here", op.Provider)
	}
	location, err := a.location(ctx, op.Provider, restore)
	return a.providers[i].Volumes, location, err
}

// finishNow returns the PersistentVolume of the finished volume, or nil where it
// is still being made. A failedError says that it never becomes whole; any other
// error may pass.
func (a *VolumeReady) finishNow(ctx context.Context, pv *corev1.PersistentVolume, op operation, restore *velerov1.Restore) (*corev1.PersistentVolume, error) {
	volumes, location, err := a.making(ctx, op, restore)
	if err != nil {
		return nil, err
	}
	progress, err := volumes.Progress(ctx, restore, location, op.Volume, pv.DeepCopy())
	switch {
	case err != nil:
		return nil, err
	case !progress.Completed:
		return nil, nil //nolint:nilnil // not yet is no error
	case progress.Err != "":
		return nil, &failedError{volume: op.Volume, reason: progress.Err}
	default:
		return volumes.Finish(ctx, restore, location, op.Volume, pv.DeepCopy())
	}
}

// AreAdditionalItemsReady is never asked, for Execute returns no items.
func (a *VolumeReady) AreAdditionalItemsReady([]velero.ResourceIdentifier, *velerov1.Restore) (bool, error) {
	return true, nil
}

// failedError says that a volume never becomes whole.
type failedError struct {
	volume, reason string
}

func (e *failedError) Error() string {
	return fmt.Sprintf("the volume %s was not made: %s", e.volume, e.reason)
}

// location returns the configuration of the provider's location that the restore's
// backup was made with, read once per restore and process.
func (a *VolumeReady) location(ctx context.Context, provider string, restore *velerov1.Restore) (map[string]string, error) {
	key := locationKey{restore: restore.UID, provider: provider}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.locations[key]; ok {
		return known, nil
	}
	location, err := a.cluster.SnapshotLocation(ctx, restore.Spec.BackupName, provider)
	if err != nil {
		return nil, fmt.Errorf("finding the volume snapshot location of the restore %s: %w", restore.Name, err)
	}
	a.locations[key] = location
	return location, nil
}

func (a *VolumeReady) discard(ctx context.Context, op operation, restore *velerov1.Restore) error {
	volumes, location, err := a.making(ctx, op, restore)
	if err != nil {
		return err
	}
	if err := volumes.Discard(ctx, restore, location, op.Volume); err != nil {
		return fmt.Errorf("removing the volume %s, which is of no use: %w", op.Volume, err)
	}
	return nil
}
