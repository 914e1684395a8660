// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

// companionsOf returns the companions of some kinds that are in the backup with the object
// and that the Restore does not exclude.
func companionsOf(o object, kinds ...companion.Kind) []companion.Companion {
	noted := companion.Noted(o.fromBackup.GetAnnotations()[companion.Annotation], kinds...)
	return companion.OfRestore(&o.restore.Spec).Allowed(noted)
}

// withCompanions returns the object as it is restored with the companions: without what
// the backup has written into it for them, and, where the lists of the Restore leave one of
// them out, with the annotation by which Velero takes all. Velero removes that.
func withCompanions(o object, item *unstructured.Unstructured, companions []companion.Companion) *unstructured.Unstructured {
	if _, noted := o.fromBackup.GetAnnotations()[companion.Annotation]; !noted {
		return item
	}
	changed := item.DeepCopy()
	annotation.Remove(changed.Object, companion.Annotation, velerov1.MustIncludeAdditionalItemAnnotation)
	if companion.OfRestore(&o.restore.Spec).LeavesOut(companions) {
		annotation.Set(changed.Object, velerov1.MustIncludeAdditionalItemRestoreAnnotation, "true")
	}
	return changed
}

// companionReader keeps a Restore that updates what is there from updating companions that
// only an action has it restore. It looks at each once in a restore, and at its metadata
// alone.
type companionReader struct {
	clients Clients
	isThere once.Values[companionKey, bool]
	said    once.Seen
}

type companionKey struct {
	restore types.UID
	of      companion.Companion
}

// toRestore returns those of the companions that are restored with the object that log
// names. They are all of them, unless the Restore updates what is there: then they are those
// that are not there. Velero would put the AccessKey of a backup over the one of today, and
// the load balancers of the cluster that was backed up over those of this one. What the
// lists of the Restore have it restores, and updates, without being told by an action.
func (r *companionReader) toRestore(ctx context.Context, log logrus.FieldLogger, restore *velerov1.Restore, companions []companion.Companion) []companion.Companion {
	if restore.Spec.ExistingResourcePolicy != velerov1.PolicyTypeUpdate {
		return companions
	}
	var missing []companion.Companion
	for _, c := range companions {
		there, err := r.isThere.Get(companionKey{restore.UID, c}, func() (bool, error) { return r.look(ctx, restore, c) })
		switch {
		case err == nil && !there:
			missing = append(missing, c)
		case !r.said.First(restore.UID, c.String()):
		case err != nil:
			log.WithError(err).WithField("companion", c.String()).Warnf(
				"Cannot tell whether %s is there, which a restore that updates would overwrite: it is not restored with what needs it; create it if it is missing", c)
		default:
			log.WithField("companion", c.String()).Infof("%s is there already, and is not updated with what needs it", c)
		}
	}
	return missing
}

// look tells whether a companion is where the Restore would put it.
func (r *companionReader) look(ctx context.Context, restore *velerov1.Restore, c companion.Companion) (bool, error) {
	api, err := r.clients.Client()
	if err != nil {
		return false, err
	}
	c.Namespace = targetNamespace(restore, c.Namespace)
	err = api.Get(ctx, c.Key(), c.Metadata())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
