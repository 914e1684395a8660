// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"slices"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"github.com/vmware-tanzu/velero/pkg/util/collections"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// The names that the actions of NewSystemNamespaces and NewSystemNamespacesClusterScoped
// are registered by. Two are needed because Velero hands nothing that is cluster-scoped to
// an action that names namespaces. The settings of both are those of the first.
const (
	SystemNamespacesName              = "alibabacloud.com/system-namespaces"
	SystemNamespacesClusterScopedName = "alibabacloud.com/system-namespaces-cluster-scoped"
)

// Namespaces of the backup center, and of the CSI driver's FUSE clients.
const (
	namespaceBackupCenter = "csdr"
	namespaceFUSE         = "ack-csi-fuse"
)

// everyNamespace is how a Backup takes all namespaces. Velero writes it where a user has
// named none.
const everyNamespace = "*"

// SystemNamespacesSettings are the settings of system-namespaces.
type SystemNamespacesSettings struct {
	// Enabled is whether system namespaces are left out. They are unless it is false.
	Enabled *bool `json:"enabled,omitempty"`
}

// SystemDecisions are the Backups that leave system namespaces out. Both actions have the
// same, so that settings which cannot be read are told of once.
type SystemDecisions = once.Values[types.UID, bool]

// SystemNamespaces is the BackupItemAction that leaves out of a backup of all namespaces
// what belongs to the cluster rather than to an application: the namespaces of Kubernetes,
// of the backup center, of the CSI driver and of Velero. A backup that names one of them, or
// names namespaces at all, has what it names.
type SystemNamespaces struct {
	log      logrus.FieldLogger
	settings *settings.Settings[SystemNamespacesSettings]
	cluster  Clients
	decided  *SystemDecisions
	// references are those of volumes to Secrets.
	references *SecretReferences
	warned     once.Seen
	// clusterScoped says that the action is for what is in no namespace and belongs to one.
	clusterScoped bool
}

// NewSystemNamespaces returns the action for all that is in system namespaces, but for the
// Secrets that volumes of applications name. It contacts nothing.
func NewSystemNamespaces(log logrus.FieldLogger, reader *settings.Reader, cluster Clients, decided *SystemDecisions, references *SecretReferences) *SystemNamespaces {
	return &SystemNamespaces{
		log:        log,
		settings:   settings.Of[SystemNamespacesSettings](reader, SystemNamespacesName),
		cluster:    cluster,
		decided:    decided,
		references: references,
	}
}

// NewSystemNamespacesClusterScoped returns the action for system namespaces themselves, and
// for the PersistentVolumes of claims in them. It contacts nothing.
func NewSystemNamespacesClusterScoped(log logrus.FieldLogger, reader *settings.Reader, cluster Clients, decided *SystemDecisions, references *SecretReferences) *SystemNamespaces {
	action := NewSystemNamespaces(log, reader, cluster, decided, references)
	action.clusterScoped = true
	return action
}

// AppliesTo returns system namespaces, or Namespaces and PersistentVolumes.
func (a *SystemNamespaces) AppliesTo() (velero.ResourceSelector, error) {
	if a.clusterScoped {
		return velero.ResourceSelector{
			IncludedResources: []string{kuberesource.Namespaces.Resource, kuberesource.PersistentVolumes.Resource},
		}, nil
	}
	return velero.ResourceSelector{IncludedNamespaces: a.namespaces()}, nil
}

// namespaces are those that are left out.
func (a *SystemNamespaces) namespaces() []string {
	return []string{
		namespaceBackupCenter, namespaceFUSE, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease,
		a.cluster.Namespace(),
	}
}

// Execute returns the item as one that Velero leaves out, or the very item that came.
func (a *SystemNamespaces) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	return execute(item, backup, a.decide)
}

func (a *SystemNamespaces) decide(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier) {
	namespace := namespaceOf(o.item)
	if namespace == "" || !slices.Contains(a.namespaces(), namespace) || !takesUnnamed(o.backup, namespace) || !a.isEnabled(ctx, o.backup) {
		return nil, nil
	}
	if o.item.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Secret") && a.isWanted(ctx, o) {
		return nil, nil
	}
	return leaveOut(o.item), nil
}

// isWanted tells whether the Secret is backed up all the same, because a volume of an
// application cannot do without it.
func (a *SystemNamespaces) isWanted(ctx context.Context, o object) bool {
	secret := types.NamespacedName{Namespace: o.item.GetNamespace(), Name: o.item.GetName()}
	wanted, err := a.references.Wants(ctx, o.backup, secret, func(namespace string) bool {
		return slices.Contains(a.namespaces(), namespace)
	})
	if err != nil && a.warned.First(o.backup.UID, "Secrets") {
		a.log.WithError(err).Warn("Cannot tell which Secrets in system namespaces volumes of applications need: all are backed up")
	}
	return wanted || err != nil
}

// namespaceOf returns the namespace that an item is in, is, or has a claim in.
func namespaceOf(item *unstructured.Unstructured) string {
	switch {
	case item.GetNamespace() != "":
		return item.GetNamespace()
	case item.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Namespace"):
		return item.GetName()
	default:
		return claimOfVolume(item).Namespace
	}
}

// takesUnnamed tells whether the Backup takes all namespaces and does not name this one,
// neither as it is called nor by a pattern. Velero expands patterns in a copy of the list,
// so that this one is what the user has written.
func takesUnnamed(backup *velerov1.Backup, namespace string) bool {
	included := backup.Spec.IncludedNamespaces
	if len(included) > 0 && !slices.Contains(included, everyNamespace) {
		return false
	}
	named := slices.DeleteFunc(slices.Clone(included), func(name string) bool { return name == everyNamespace })
	return len(named) == 0 || !collections.NewIncludesExcludes().Includes(named...).ShouldInclude(namespace)
}

// isEnabled tells whether the Backup leaves system namespaces out. It is decided once: what
// is kept because the settings could not be read at first is kept to the end.
func (a *SystemNamespaces) isEnabled(ctx context.Context, backup *velerov1.Backup) bool {
	enabled, _ := a.decided.Get(backup.UID, func() (bool, error) {
		set, _, err := a.settings.Read(ctx, settings.ForBackup(backup))
		if err != nil {
			a.log.WithError(err).Error("Cannot read whether system namespaces are left out: they are backed up")
			return false, nil
		}
		enabled := set.Enabled == nil || *set.Enabled
		if enabled {
			a.log.WithField("namespaces", a.namespaces()).Info("Leaving system namespaces out, which the Backup does not name")
		}
		return enabled, nil
	})
	return enabled
}
