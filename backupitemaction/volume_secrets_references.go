// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"fmt"
	"slices"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// SecretReferences tells which Secrets the PersistentVolumes of the cluster name, and lists
// the PersistentVolumes once in a backup for that. It is for use in several goroutines.
type SecretReferences struct {
	clients Clients
	listed  once.Values[types.UID, map[string]referrer]
}

// referrer is a PersistentVolume that names Secrets.
type referrer struct {
	// claim is empty for one that no claim is bound to.
	claim types.NamespacedName
	named []types.NamespacedName
}

// NewSecretReferences returns those of the PersistentVolumes in the cluster. It contacts
// nothing.
func NewSecretReferences(clients Clients) *SecretReferences {
	return &SecretReferences{clients: clients}
}

// Wants tells whether a PersistentVolume names the Secret whose claim is in none of the
// namespaces for which isSystem holds: whether it is the Secret of an application, wherever
// it is.
func (r *SecretReferences) Wants(
	ctx context.Context, backup *velerov1.Backup, secret types.NamespacedName, isSystem func(namespace string) bool,
) (bool, error) {
	volumes, err := r.of(ctx, backup)
	if err != nil {
		return false, err
	}
	for _, pv := range volumes {
		if slices.Contains(pv.named, secret) && !isSystem(pv.claim.Namespace) {
			return true, nil
		}
	}
	return false, nil
}

// ofClaim returns the Secrets that the PersistentVolume of that name has, if it is bound to
// the claim. A claim that only names it has no right to them.
func (r *SecretReferences) ofClaim(ctx context.Context, backup *velerov1.Backup, claim types.NamespacedName, name string) ([]types.NamespacedName, error) {
	volumes, err := r.of(ctx, backup)
	if pv := volumes[name]; pv.claim == claim {
		return pv.named, nil
	}
	return nil, err
}

// of returns what the PersistentVolumes name that name a Secret, by their names.
func (r *SecretReferences) of(ctx context.Context, backup *velerov1.Backup) (map[string]referrer, error) {
	return r.listed.Get(backup.UID, func() (map[string]referrer, error) {
		api, err := r.clients.Client()
		if err != nil {
			return nil, err
		}
		list := &corev1.PersistentVolumeList{}
		if err := api.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing the PersistentVolumes: %w", err)
		}
		return referrersAmong(list.Items)
	})
}

func referrersAmong(pvs []corev1.PersistentVolume) (map[string]referrer, error) {
	found := make(map[string]referrer)
	for i := range pvs {
		item, err := volume.ToItem(&pvs[i])
		if err != nil {
			return nil, err
		}
		if named := volume.Secrets(item); len(named) > 0 {
			found[pvs[i].Name] = referrer{claim: volume.ClaimOf(&pvs[i]), named: named}
		}
	}
	return found, nil
}
