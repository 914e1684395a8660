// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/label"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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

// create creates an object that a converted volume needs, and reports on it.
func (c *flexVolumeConversion) create(ctx context.Context, kind string, object client.Object) {
	c.report(kind, object, c.tryCreate(ctx, object))
}

// tryCreate creates an object.
func (c *flexVolumeConversion) tryCreate(ctx context.Context, object client.Object) error {
	api, err := c.cluster.Client()
	if err != nil {
		return err
	}
	return api.Create(ctx, object)
}

// report logs what came of creating an object. One that is there is left as it is,
// as Velero does: the first of several Pods has created it, or an earlier restore.
// Where it failed the conversion stays, for a person can create the object, and what
// asks for it waits until then.
func (c *flexVolumeConversion) report(kind string, object client.Object, err error) {
	log := c.logOf(kind, object)
	switch {
	case err == nil:
		log.Info("Created what a converted FlexVolume needs")
	case apierrors.IsAlreadyExists(err):
		log.Info("What a converted FlexVolume needs is there already, and is left as it is")
	default:
		log.WithError(err).Error("Not created: what a converted FlexVolume needs; create it, or delete the volume's objects and restore again")
	}
}

// logOf returns the log for an object that a converted volume needs.
func (c *flexVolumeConversion) logOf(kind string, object client.Object) logrus.FieldLogger {
	return c.log.WithField("created", kind+" "+client.ObjectKeyFromObject(object).String())
}
