// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"maps"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

// withCompanions returns for execute the companions that Velero is to back up with an item,
// and the item with the note of all that it has in the backup. It returns no copy where the
// item says so already, as one without companions does. The companions are to be allowed by
// the Backup, and known to be there: Velero drops an item with all that brought it along for
// one that it cannot read.
//
// Velero reads an additional item from the API server before it looks whether the backup
// has it. So each companion is returned for one item of a backup alone: hundreds of
// Ingresses have the same class.
func (r *companionReader) withCompanions(o object, companions []companion.Companion) (changed *unstructured.Unstructured, with []velero.ResourceIdentifier) {
	_, noted := o.item.GetAnnotations()[companion.Annotation]
	if len(companions) == 0 && !noted {
		return nil, nil
	}
	changed = o.item.DeepCopy()
	if noted {
		// It came with the item from another backup, and so did what was written beside it.
		annotation.Remove(changed.Object, companion.Annotation, velerov1.MustIncludeAdditionalItemAnnotation)
	}
	if len(companions) > 0 {
		annotation.Set(changed.Object, companion.Annotation, companion.Note(companions))
	}
	brought := r.broughtBy(o, companions)
	if companion.OfBackup(&o.backup.Spec).LeavesOut(brought) {
		annotation.Set(changed.Object, velerov1.MustIncludeAdditionalItemAnnotation, "true")
	}
	if maps.Equal(changed.GetAnnotations(), o.item.GetAnnotations()) {
		changed = nil
	}
	return changed, companion.Identifiers(brought)
}

// broughtBy returns the companions that come into the backup by the item: those that no
// other one has brought before it.
func (r *companionReader) broughtBy(o object, companions []companion.Companion) []companion.Companion {
	item := o.item.GroupVersionKind().Kind + "/" + o.item.GetNamespace() + "/" + o.item.GetName()
	var brought []companion.Companion
	for _, c := range companions {
		first, _ := r.bringers.Get(companionKey{o.backup.UID, c}, func() (string, error) { return item, nil })
		if first == item {
			brought = append(brought, c)
		}
	}
	return brought
}

// standing is whether an object can be backed up.
type standing int

const (
	// absent is an object that is not there, or is being deleted: Velero leaves that out.
	absent standing = iota
	// keptOut is one that carries the label by which a user keeps it out of backups. Velero
	// does not look at it in what must be included.
	keptOut
	present
)

// standingOf reads an object. That its resource is not served is the same as that it is
// not there.
func standingOf(ctx context.Context, api client.Client, key types.NamespacedName, object client.Object) (standing, error) {
	err := api.Get(ctx, key, object)
	switch {
	case apierrors.IsNotFound(err):
		return absent, nil
	case err != nil:
		return absent, err
	case object.GetDeletionTimestamp() != nil:
		return absent, nil
	case object.GetLabels()[velerov1.ExcludeFromBackupLabel] == "true":
		return keptOut, nil
	default:
		return present, nil
	}
}

// companionReader tells of companions whether they can be backed up. It reads each once in
// a backup, and of Secrets and AlbConfigs the metadata alone. It is for use in several
// goroutines.
type companionReader struct {
	clients Clients
	read    once.Values[companionKey, standing]
	said    once.Seen
	// bringers are the items by which companions come into a backup.
	bringers once.Values[companionKey, string]
}

type companionKey struct {
	backup types.UID
	of     companion.Companion
}

// canTake tells whether a Secret or an AlbConfig can be backed up. It logs with log, which
// names the object that needs it, why it cannot.
func (r *companionReader) canTake(ctx context.Context, log logrus.FieldLogger, backup *velerov1.Backup, c companion.Companion) bool {
	found, err := r.read.Get(companionKey{backup.UID, c}, func() (standing, error) {
		api, err := r.clients.Client()
		if err != nil {
			return absent, err
		}
		return standingOf(ctx, api, c.Key(), c.Metadata())
	})
	r.explain(log, backup, c, found, err)
	return found == present
}

// explain logs, once in a backup, why a companion is not backed up, if it is not. A volume
// without its Secret cannot be mounted anywhere. That a class or an AlbConfig is not there
// does not stop every controller from serving an Ingress, so the backup lacks nothing.
func (r *companionReader) explain(log logrus.FieldLogger, backup *velerov1.Backup, c companion.Companion, found standing, err error) {
	if found == present || !r.said.First(backup.UID, c.String()) {
		return
	}
	log = log.WithField("companion", c.String())
	switch {
	case err != nil:
		log.WithError(err).Warnf("Cannot read %s, so it may be missing from the backup: what needs it may not work where it is restored", c)
	case found == keptOut:
		log.Infof("The label %s keeps %s out of the backup", velerov1.ExcludeFromBackupLabel, c)
	case c.Kind == companion.Secret:
		log.Warnf("%s is not in the cluster, so that a volume which needs it cannot be mounted; create it, or correct the PersistentVolume", c)
	default:
		log.Infof("%s is not in the cluster, and not in the backup", c)
	}
}
