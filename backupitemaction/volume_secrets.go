// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeSecretsName is the name that NewVolumeSecrets' action is registered by.
const VolumeSecretsName = "alibabacloud.com/volume-secrets"

// VolumeSecrets is the BackupItemAction on PersistentVolumes and claims that has the
// Secrets backed up without which a volume of Alibaba Cloud's drivers cannot be mounted,
// resized or deleted, wherever they are. Volumes of other vendors are left alone.
//
// They come with the PersistentVolume, or with its claim, for a backup may have the claim
// alone.
type VolumeSecrets struct {
	log        logrus.FieldLogger
	references *SecretReferences
	companions companionReader
	warned     once.Seen
}

// NewVolumeSecrets returns the action. It contacts nothing.
func NewVolumeSecrets(log logrus.FieldLogger, clients Clients, references *SecretReferences) *VolumeSecrets {
	return &VolumeSecrets{log: log, references: references, companions: companionReader{clients: clients}}
}

// AppliesTo returns PersistentVolumes and claims.
func (a *VolumeSecrets) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: []string{
		kuberesource.PersistentVolumes.Resource, kuberesource.PersistentVolumeClaims.Resource,
	}}, nil
}

// Execute returns the Secrets of the item, and the item with a note of them. A Secret that
// is excluded, not there, cannot be read or is kept out of backups is not among them. It
// returns no error.
func (a *VolumeSecrets) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	return execute(item, backup, a.take)
}

func (a *VolumeSecrets) take(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier) {
	log := a.log.WithFields(logrus.Fields{"namespace": o.item.GetNamespace(), "name": o.item.GetName()})
	named, filter := a.namedBy(ctx, log, o), companion.OfBackup(&o.backup.Spec)
	for _, secret := range named {
		if isExcludedByNamespace(filter, secret, namespaceOf(o.item)) && a.warned.First(o.backup.UID, secret.String()) {
			log.WithField("companion", secret.String()).Warnf(
				"%s is not backed up, for the Backup excludes its namespace: restored into a cluster without it, a volume which needs it cannot be mounted; "+
					"do not exclude the namespace, or create the Secret there before a restore", secret)
		}
	}
	var taken []companion.Companion
	for _, secret := range filter.Allowed(named) {
		if a.companions.canTake(ctx, log, o.backup, secret) {
			taken = append(taken, secret)
		}
	}
	changed, with := a.companions.withCompanions(o, taken)
	if len(with) > 0 {
		log.WithField("companions", companion.Note(taken)).Info("The Secrets of the volume are backed up with it")
	}
	return changed, with
}

// isExcludedByNamespace tells whether a Secret is excluded where one in the namespace of the
// claim is not: the application is backed up, and that it needs another namespace may have
// been overlooked.
func isExcludedByNamespace(filter companion.Filter, secret companion.Companion, claimNamespace string) bool {
	beside := secret
	beside.Namespace = claimNamespace
	return filter.Verdict(secret) == resourcefilter.Excluded && filter.Verdict(beside) != resourcefilter.Excluded
}

// namedBy returns the Secrets that a PersistentVolume, or that of a claim, names.
func (a *VolumeSecrets) namedBy(ctx context.Context, log logrus.FieldLogger, o object) []companion.Companion {
	if o.item.GetNamespace() == "" {
		return asCompanions(volume.Secrets(o.item))
	}
	name, _, _ := unstructured.NestedString(o.item.Object, "spec", "volumeName")
	if name == "" {
		return nil
	}
	claim := types.NamespacedName{Namespace: o.item.GetNamespace(), Name: o.item.GetName()}
	named, err := a.references.ofClaim(ctx, o.backup, claim, name)
	const unknown = "Cannot find out which Secrets the volumes of claims need: they are in the backup only where it has the PersistentVolumes"
	if err != nil && a.warned.First(o.backup.UID, unknown) {
		log.WithError(err).Warn(unknown)
	}
	return asCompanions(named)
}

// asCompanions returns the Secrets of the names.
func asCompanions(names []types.NamespacedName) []companion.Companion {
	companions := make([]companion.Companion, 0, len(names))
	for _, name := range names {
		companions = append(companions, companion.Companion{Kind: companion.Secret, Namespace: name.Namespace, Name: name.Name})
	}
	return companions
}
