// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeSecretsName is the name that NewVolumeSecrets' action is registered by.
const VolumeSecretsName = "alibabacloud.com/volume-secrets"

// VolumeSecrets is the RestoreItemAction on PersistentVolumes and claims that has the
// Secrets restored which the BackupItemAction of the same name has backed up with them, and
// that has a PersistentVolume look for its Secrets where they are restored to. It also
// removes from PersistentVolumes what BackupItemActions have written into them, for it sees
// those too that no snapshotter restores. It has no settings.
type VolumeSecrets struct {
	log        logrus.FieldLogger
	companions companionReader
}

// NewVolumeSecrets returns the action. It contacts nothing.
func NewVolumeSecrets(log logrus.FieldLogger, clients Clients) *VolumeSecrets {
	return &VolumeSecrets{log: log, companions: companionReader{clients: clients}}
}

// AppliesTo returns PersistentVolumes and claims.
func (a *VolumeSecrets) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: []string{resourceVolumes, resourceClaims}}, nil
}

// Execute returns the item without what the backup has noted in it and with Secrets in
// the namespaces that they are restored to, or the very item that came, and the Secrets. It
// returns no error.
func (a *VolumeSecrets) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return executeWith(input, a.restore)
}

func (a *VolumeSecrets) restore(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier, error) {
	log := a.log.WithFields(fieldsOf(o.item))
	secrets := companionsOf(o, companion.Secret)
	restored := a.companions.toRestore(ctx, log, o.restore, secrets)
	if len(restored) > 0 {
		log.WithField("companions", companion.Note(restored)).Info("The Secrets of a volume are restored with it")
	}
	item := o.item
	if resourceOf(o.item) == resourceVolumes {
		if moved := moveSecrets(o, secrets); moved != nil {
			log.WithFields(logrus.Fields{"old": volume.Secrets(o.item), "new": volume.Secrets(moved)}).
				Info("A PersistentVolume looks for its Secrets in the namespaces that they are restored to")
			item = moved
		}
		item = item.DeepCopy()
		volume.DropBackupMarks(item)
	}
	return withCompanions(o, item, restored), companion.Identifiers(restored), nil
}

// moveSecrets returns a PersistentVolume that looks for its Secrets where this Restore puts
// them, nil if that is where it looks: for those that come along, which are restored with it
// or are there, and for those of a namespace of which the Restore has the Secrets, as in a
// backup of another tool. What the Restore does not touch it finds where it was.
func moveSecrets(o object, along []companion.Companion) *unstructured.Unstructured {
	if len(o.restore.Spec.NamespaceMapping) == 0 {
		return nil
	}
	filter := companion.OfRestore(&o.restore.Spec)
	return volume.MoveSecrets(o.item, o.fromBackup, func(name types.NamespacedName) string {
		secret := companion.Companion{Kind: companion.Secret, Namespace: name.Namespace, Name: name.Name}
		if slices.Contains(along, secret) || filter.Verdict(secret) == resourcefilter.Taken {
			return targetNamespace(o.restore, name.Namespace)
		}
		return name.Namespace
	})
}
