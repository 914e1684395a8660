// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/flexvolume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// moveAccessKey puts the AccessKey of a PersistentVolume of that name into a Secret
// and returns the reference to it.
func (c *flexVolumeConversion) moveAccessKey(ctx context.Context, backedUp *corev1.PersistentVolume, name string, key flexvolume.AccessKey) *corev1.SecretReference {
	secret := c.secretOf(c.claimNamespace(backedUp), name, key)
	err := c.tryCreate(ctx, secret)
	if claim := volume.ClaimOf(backedUp); claim.Name != "" && lacksNamespace(err) {
		c.waiting.put(c.restore, claim, secret)
		c.logOf("Secret", secret).Info("What a converted FlexVolume needs is created with its claim, for its namespace is not there yet")
	} else {
		c.report("Secret", secret, err)
	}
	return referenceTo(secret)
}

// createWaiting creates the Secrets that wait for a claim, if any do.
func (a *FlexVolumeToCSI) createWaiting(ctx context.Context, restore *velerov1.Restore, claim *unstructured.Unstructured) {
	c := &flexVolumeConversion{log: a.log.WithFields(fieldsOf(claim)), cluster: a.cluster}
	for _, secret := range a.waiting.take(restore, types.NamespacedName{Namespace: claim.GetNamespace(), Name: claim.GetName()}) {
		c.create(ctx, "Secret", secret)
	}
}

// lacksNamespace reports whether an object was not created because its namespace is
// not there, or is being deleted: Velero waits for that before it restores a claim.
func lacksNamespace(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// secretOf returns a Secret for the AccessKey of a volume.
func (c *flexVolumeConversion) secretOf(namespace, volumeName string, key flexvolume.AccessKey) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: c.createdMeta(namespace, secretName(volumeName)),
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			flexvolume.OptionAccessKeyID:     []byte(key.ID),
			flexvolume.OptionAccessKeySecret: []byte(key.Secret),
		},
	}
}

func referenceTo(secret *corev1.Secret) *corev1.SecretReference {
	return &corev1.SecretReference{Namespace: secret.Namespace, Name: secret.Name}
}

// secretName returns the name of the Secret of a volume.
func secretName(volumeName string) string {
	const suffix = "-access-key"
	if len(volumeName)+len(suffix) <= validation.DNS1123SubdomainMaxLength {
		return volumeName + suffix
	}
	return digestName([]byte(volumeName)) + suffix
}

// waitingSecrets are those that are created with the claim of their volume. Velero
// restores PersistentVolumes first. Where the Restore leaves namespaces out, it
// creates one for the first object in it, with the labels that were backed up, such
// as those of Pod security: a Namespace that is created here would not have them.
// Velero keeps one process of the plugin for a restore. Its zero value is ready for
// use, by several goroutines.
//
// Several PersistentVolumes may name a claim: those of claims that are gone stay behind,
// with the reclaim policy Retain.
type waitingSecrets struct {
	mu      sync.Mutex
	secrets map[waitingKey][]*corev1.Secret
}

// waitingKey names a claim of a restore, as it was backed up.
type waitingKey struct {
	restore types.UID
	claim   types.NamespacedName
}

func (w *waitingSecrets) put(restore *velerov1.Restore, claim types.NamespacedName, secret *corev1.Secret) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secrets == nil {
		w.secrets = make(map[waitingKey][]*corev1.Secret)
	}
	key := waitingKey{restore.UID, claim}
	w.secrets[key] = append(w.secrets[key], secret)
}

// take returns the Secrets that wait for the claim. They wait no longer.
func (w *waitingSecrets) take(restore *velerov1.Restore, claim types.NamespacedName) []*corev1.Secret {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := waitingKey{restore.UID, claim}
	secrets := w.secrets[key]
	delete(w.secrets, key)
	return secrets
}
