// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"slices"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

// IngressClassName is the name that NewIngressClass's action is registered by.
const IngressClassName = "alibabacloud.com/ingress-class"

// IngressClass is the RestoreItemAction on Ingresses that has the IngressClass and the
// AlbConfig restored which the BackupItemAction of the same name has backed up with them.
// It has no settings.
type IngressClass struct {
	log        logrus.FieldLogger
	served     *servedKinds
	companions companionReader
	warned     once.Seen
}

// NewIngressClass returns the action. It contacts nothing.
func NewIngressClass(log logrus.FieldLogger, discovery Discovery, clients Clients) *IngressClass {
	return &IngressClass{log: log, served: newServedKinds(discovery), companions: companionReader{clients: clients}}
}

// AppliesTo returns the Ingresses of all groups that have had them.
func (a *IngressClass) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: apiversion.IngressResources()}, nil
}

// Execute returns the item without what the backup has noted in it, or the very item that
// came, and what is restored with it. It returns no error.
func (a *IngressClass) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return executeWith(input, a.restore)
}

func (a *IngressClass) restore(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier, error) {
	log := a.log.WithFields(fieldsOf(o.item))
	companions := companionsOf(o, companion.IngressClass, companion.AlbConfig)
	if !a.takesAlbConfigs(ctx, o.restore, companions) {
		companions = slices.DeleteFunc(companions, isAlbConfig)
	}
	companions = a.companions.toRestore(ctx, log, o.restore, companions)
	if len(companions) > 0 {
		log.WithField("companions", companion.Note(companions)).Info("The class of an Ingress is restored with it")
	}
	return withCompanions(o, o.item, companions), companion.Identifiers(companions), nil
}

func isAlbConfig(c companion.Companion) bool { return c.Kind == companion.AlbConfig }

// takesAlbConfigs reports whether AlbConfigs can be restored, if there are any: without the
// ALB Ingress Controller each would be an error of the restore, with every Ingress anew.
// Where the cluster does not tell, Velero tries.
func (a *IngressClass) takesAlbConfigs(ctx context.Context, restore *velerov1.Restore, companions []companion.Companion) bool {
	if !slices.ContainsFunc(companions, isAlbConfig) {
		return true
	}
	served, err := a.served.serves(ctx, restore, cluster.AlbConfig())
	if err != nil || served {
		return true
	}
	const missing = "This cluster has no AlbConfigs, so that none is restored with its Ingresses: install the ALB Ingress Controller, then restore again"
	if a.warned.First(restore.UID, missing) {
		a.log.Warn(missing)
	}
	return false
}
