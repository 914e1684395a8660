// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// zoneLabels are the labels of a Node that name its zone: Kubernetes' own, that of
// Alibaba Cloud's disk driver, and that of Kubernetes before 1.17.
func zoneLabels() []string {
	return []string{
		corev1.LabelTopologyZone,
		"topology.diskplugin.csi.alibabacloud.com/zone",
		corev1.LabelFailureDomainBetaZone,
	}
}

// SecretValue returns the value of a key of a Secret.
func (c *Cluster) SecretValue(ctx context.Context, namespace, name, key string) ([]byte, error) {
	secret := &corev1.Secret{}
	if err := c.get(ctx, "Secret", namespace, name, secret); err != nil {
		return nil, err
	}
	value, ok := secret.Data[key]
	if !ok {
		return nil, fmt.Errorf("the Secret %s/%s has no key %s", namespace, name, key)
	}
	return value, nil
}

// ID returns what tells this cluster from any other: the UID of its namespace
// kube-system, which lives as long as the cluster. It is asked for once.
func (c *Cluster) ID(ctx context.Context) (string, error) {
	c.mu.Lock()
	id := c.id
	c.mu.Unlock()
	if id != "" {
		return id, nil
	}
	namespace := &corev1.Namespace{}
	if err := c.get(ctx, "Namespace", "", metav1.NamespaceSystem, namespace); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = string(namespace.UID)
	return c.id, nil
}

// What ACK notes of its clusters, in kube-system. Source: pkg/metadata of
// kubernetes-sigs/alibaba-cloud-csi-driver.
const (
	profileACK   = "ack-cluster-profile"
	profileACKID = "clusterid"
)

// ACKID returns the id by which Alibaba Cloud knows the cluster, "" for one that is not
// of ACK.
func (c *Cluster) ACKID(ctx context.Context) (string, error) {
	profile := &corev1.ConfigMap{}
	err := c.get(ctx, "ConfigMap", metav1.NamespaceSystem, profileACK, profile)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	return profile.Data[profileACKID], err
}

// Backup returns the Backup of that name.
func (c *Cluster) Backup(ctx context.Context, name string) (*velerov1.Backup, error) {
	backup := &velerov1.Backup{}
	if err := c.get(ctx, "Backup", c.namespace, name, backup); err != nil {
		return nil, err
	}
	return backup, nil
}

// Backups returns all Backups of this Velero.
func (c *Cluster) Backups(ctx context.Context) ([]velerov1.Backup, error) {
	backups := &velerov1.BackupList{}
	err := c.list(ctx, "Backups", backups, client.InNamespace(c.namespace))
	return backups.Items, err
}

// Restore returns the Restore of that name.
func (c *Cluster) Restore(ctx context.Context, name string) (*velerov1.Restore, error) {
	restore := &velerov1.Restore{}
	if err := c.get(ctx, "Restore", c.namespace, name, restore); err != nil {
		return nil, err
	}
	return restore, nil
}

// Restores returns all Restores of this Velero.
func (c *Cluster) Restores(ctx context.Context) ([]velerov1.Restore, error) {
	restores := &velerov1.RestoreList{}
	err := c.list(ctx, "Restores", restores, client.InNamespace(c.namespace))
	return restores.Items, err
}

// BackupHasEnded tells whether a Backup in the phase takes nothing any more.
func BackupHasEnded(phase velerov1.BackupPhase) bool {
	switch phase {
	case velerov1.BackupPhaseCompleted, velerov1.BackupPhasePartiallyFailed, velerov1.BackupPhaseFailed,
		velerov1.BackupPhaseFailedValidation, velerov1.BackupPhaseDeleting:
		return true
	default:
		return false
	}
}

// RestoreHasEnded tells whether a Restore in the phase does nothing any more.
func RestoreHasEnded(phase velerov1.RestorePhase) bool {
	switch phase {
	case velerov1.RestorePhaseCompleted, velerov1.RestorePhasePartiallyFailed,
		velerov1.RestorePhaseFailed, velerov1.RestorePhaseFailedValidation:
		return true
	default:
		return false
	}
}

// LiveRuns tells of the Backups and Restores of this Velero, by their UIDs, whether they go
// on. Those that are not there are not told of.
func (c *Cluster) LiveRuns(ctx context.Context) (map[types.UID]bool, error) {
	backups, err := c.Backups(ctx)
	if err != nil {
		return nil, err
	}
	restores, err := c.Restores(ctx)
	if err != nil {
		return nil, err
	}
	live := map[types.UID]bool{}
	for i := range backups {
		live[backups[i].UID] = !BackupHasEnded(backups[i].Status.Phase)
	}
	for i := range restores {
		live[restores[i].UID] = !RestoreHasEnded(restores[i].Status.Phase)
	}
	return live, nil
}

// Volume returns the PersistentVolume of that name.
func (c *Cluster) Volume(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{}
	if err := c.get(ctx, "PersistentVolume", "", name, pv); err != nil {
		return nil, err
	}
	return pv, nil
}

// Volumes returns all PersistentVolumes.
func (c *Cluster) Volumes(ctx context.Context) ([]corev1.PersistentVolume, error) {
	pvs := &corev1.PersistentVolumeList{}
	err := c.list(ctx, "PersistentVolumes", pvs)
	return pvs.Items, err
}

// Claim returns the PersistentVolumeClaim of that namespace and name.
func (c *Cluster) Claim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	if err := c.get(ctx, "PersistentVolumeClaim", namespace, name, claim); err != nil {
		return nil, err
	}
	return claim, nil
}

// Claims returns the PersistentVolumeClaims of a namespace (of all, if it is
// empty) that carry all the labels.
func (c *Cluster) Claims(ctx context.Context, namespace string, labels map[string]string) ([]corev1.PersistentVolumeClaim, error) {
	claims := &corev1.PersistentVolumeClaimList{}
	err := c.list(ctx, "PersistentVolumeClaims", claims, client.InNamespace(namespace), client.MatchingLabels(labels))
	return claims.Items, err
}

// ConfigMaps returns the ConfigMaps of Velero's namespace that carry the label,
// whatever its value.
func (c *Cluster) ConfigMaps(ctx context.Context, label string) ([]corev1.ConfigMap, error) {
	configMaps := &corev1.ConfigMapList{}
	err := c.list(ctx, "ConfigMaps", configMaps, client.InNamespace(c.namespace), client.HasLabels{label})
	return configMaps.Items, err
}

// StorageClass returns the StorageClass of that name.
func (c *Cluster) StorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	class := &storagev1.StorageClass{}
	if err := c.get(ctx, "StorageClass", "", name, class); err != nil {
		return nil, err
	}
	return class, nil
}

// Zones returns the zones of the cluster's nodes, sorted, each once. A node that
// is not ready counts too: its zone is one that the cluster can use.
func (c *Cluster) Zones(ctx context.Context) ([]string, error) {
	nodes := &corev1.NodeList{}
	if err := c.list(ctx, "Nodes", nodes); err != nil {
		return nil, err
	}
	zones := map[string]bool{}
	for i := range nodes.Items {
		for _, label := range zoneLabels() {
			if zone := nodes.Items[i].Labels[label]; zone != "" {
				zones[zone] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(zones)), nil
}

// get reads one object; namespace is empty for one that is in none.
func (c *Cluster) get(ctx context.Context, kind, namespace, name string, object client.Object) error {
	reader, err := c.Client()
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	if err := reader.Get(ctx, key, object); err != nil {
		if namespace != "" {
			name = key.String()
		}
		return fmt.Errorf("reading the %s %s: %w", kind, name, err)
	}
	return nil
}

func (c *Cluster) list(ctx context.Context, what string, objects client.ObjectList, options ...client.ListOption) error {
	reader, err := c.Client()
	if err != nil {
		return err
	}
	if err := reader.List(ctx, objects, options...); err != nil {
		return fmt.Errorf("listing the %s: %w", what, err)
	}
	return nil
}
