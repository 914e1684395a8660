// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/label"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/flexvolume"
)

// createSecret creates a Secret for the AccessKey of a volume and returns the
// reference to it.
func (c *flexVolumeConversion) createSecret(ctx context.Context, namespace, volumeName string, key flexvolume.AccessKey) *corev1.SecretReference {
	secret := &corev1.Secret{
		ObjectMeta: c.createdMeta(namespace, secretName(volumeName)),
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			flexvolume.OptionAccessKeyID:     []byte(key.ID),
			flexvolume.OptionAccessKeySecret: []byte(key.Secret),
		},
	}
	c.create(ctx, "Secret", secret)
	return &corev1.SecretReference{Namespace: namespace, Name: secret.Name}
}

// secretName returns the name of the Secret of a volume.
func secretName(volumeName string) string {
	const suffix = "-access-key"
	if len(volumeName)+len(suffix) <= validation.DNS1123SubdomainMaxLength {
		return volumeName + suffix
	}
	return digestName([]byte(volumeName)) + suffix
}

// digestName returns the name of an object that stands for content.
func digestName(content []byte) string {
	digest := sha256.Sum256(content)
	return "flexvolume-" + hex.EncodeToString(digest[:8])
}

// createdMeta returns the metadata of an object that comes with the restore, with
// the labels that Velero gives to what it restores.
func (c *flexVolumeConversion) createdMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace,
		Name:      name,
		Labels: map[string]string{
			velerov1.BackupNameLabel:  label.GetValidName(c.restore.Spec.BackupName),
			velerov1.RestoreNameLabel: label.GetValidName(c.restore.Name),
		},
	}
}

// create creates an object that a converted volume needs. One that is there is
// left as it is, as Velero does: the first of several Pods has created it, or an
// earlier restore. Where it fails the conversion stays, for a person can create
// the object, and what asks for it waits until then.
func (c *flexVolumeConversion) create(ctx context.Context, kind string, object client.Object) {
	log := c.log.WithFields(logrus.Fields{"created": kind + " " + client.ObjectKeyFromObject(object).String()})
	err := c.createIn(ctx, object)
	switch {
	case err == nil:
		log.Info("Created what a converted FlexVolume needs")
	case apierrors.IsAlreadyExists(err):
		log.Info("What a converted FlexVolume needs is there already, and is left as it is")
	default:
		log.WithError(err).Error("Not created: what a converted FlexVolume needs; create it, or delete the volume's objects and restore again")
	}
}

// createIn creates an object, and before it its namespace where that is missing:
// Velero restores some PersistentVolumes before the namespace of their claim.
func (c *flexVolumeConversion) createIn(ctx context.Context, object client.Object) error {
	writer, err := c.cluster.Client()
	if err != nil {
		return err
	}
	err = writer.Create(ctx, object)
	if !apierrors.IsNotFound(err) || object.GetNamespace() == "" {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
	if err := writer.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the namespace %s: %w", namespace.Name, err)
	}
	return writer.Create(ctx, object)
}
