// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

// IngressClassName is the name that NewIngressClass's action is registered by.
const IngressClassName = "alibabacloud.com/ingress-class"

// IngressClass is the BackupItemAction on Ingresses that has the IngressClass backed up
// which an Ingress names, by the field or by the annotation that came before it, and the
// AlbConfig that the class points to. Velero by itself takes neither into the backup of a
// namespace.
type IngressClass struct {
	log        logrus.FieldLogger
	clients    Clients
	companions companionReader
	classes    once.Values[companionKey, ingressClass]
}

// ingressClass is an IngressClass of the cluster.
type ingressClass struct {
	standing standing
	// albConfig is empty for a class of another controller.
	albConfig string
}

// NewIngressClass returns the action. It contacts nothing.
func NewIngressClass(log logrus.FieldLogger, clients Clients) *IngressClass {
	return &IngressClass{log: log, clients: clients, companions: companionReader{clients: clients}}
}

// AppliesTo returns the Ingresses of all groups that have had them.
func (a *IngressClass) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: apiversion.IngressResources()}, nil
}

// Execute returns the class of the item and its AlbConfig, and the item with a note of
// them. What is not there, cannot be read or is kept out of backups is not among them. It
// returns no error.
func (a *IngressClass) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	return execute(item, backup, a.take)
}

func (a *IngressClass) take(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier) {
	log := a.log.WithFields(logrus.Fields{"namespace": o.item.GetNamespace(), "name": o.item.GetName()})
	allowed := companion.OfBackup(&o.backup.Spec)
	var taken []companion.Companion
	for _, class := range allowed.Allowed(classesOf(o.item)) {
		found, err := a.read(ctx, o.backup, class)
		a.companions.explain(log, o.backup, class, found.standing, err)
		if found.standing != present {
			continue
		}
		taken = append(taken, class)
		for _, config := range allowed.Allowed(found.albConfigs()) {
			if a.companions.canTake(ctx, log, o.backup, config) {
				taken = append(taken, config)
			}
		}
	}
	changed, with := a.companions.withCompanions(o, taken)
	if len(with) > 0 {
		log.WithField("companions", companion.Note(taken)).Info("The class of the Ingress is backed up with it")
	}
	return changed, with
}

// classesOf returns the classes that an Ingress names. An old one may name one in the field
// and another in the annotation, and which of them counts is up to controllers.
func classesOf(item *unstructured.Unstructured) []companion.Companion {
	var classes []companion.Companion
	field, _, _ := unstructured.NestedString(item.Object, "spec", "ingressClassName")
	for i, name := range []string{field, item.GetAnnotations()[apiversion.AnnotationIngressClass]} {
		if apiversion.IsIngressClass(name) && (i == 0 || name != field) {
			classes = append(classes, companion.Companion{Kind: companion.IngressClass, Name: name})
		}
	}
	return classes
}

// read reads a class, once in a backup.
func (a *IngressClass) read(ctx context.Context, backup *velerov1.Backup, class companion.Companion) (ingressClass, error) {
	return a.classes.Get(companionKey{backup.UID, class}, func() (ingressClass, error) {
		api, err := a.clients.Client()
		if err != nil {
			return ingressClass{}, err
		}
		object := &networkingv1.IngressClass{}
		found, err := standingOf(ctx, api, class.Key(), object)
		return ingressClass{standing: found, albConfig: albConfigOf(object)}, err
	})
}

// albConfigOf returns the name of the AlbConfig that a class points to, "" for none.
func albConfigOf(class *networkingv1.IngressClass) string {
	parameters := class.Spec.Parameters
	if parameters == nil || parameters.APIGroup == nil || *parameters.APIGroup != cluster.AlbConfig().Group || parameters.Kind != cluster.AlbConfig().Kind {
		return ""
	}
	return parameters.Name
}

func (c ingressClass) albConfigs() []companion.Companion {
	if c.albConfig == "" {
		return nil
	}
	return []companion.Companion{{Kind: companion.AlbConfig, Name: c.albConfig}}
}
