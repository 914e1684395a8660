// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"github.com/sirupsen/logrus"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Clients is the cluster that is backed up, for actions that look into it.
type Clients interface {
	// Namespace returns the namespace that Velero is installed in.
	Namespace() string
	// Client returns a client that knows the types of core/v1.
	Client() (client.Client, error)
}

// Dependencies are what the actions of version 1 are made with.
type Dependencies struct {
	Settings *settings.Reader
	Clients  Clients
	// References are those of volumes to Secrets, which are listed once for all actions.
	References *SecretReferences
	// Decisions are those of both actions for system namespaces.
	Decisions *SystemDecisions
}

// Constructor makes an action, which contacts nothing until it is executed.
type Constructor func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction

// Constructors returns those of all actions of version 1, by the names that they are
// registered by. NewSnapshotProgress's action, of version 2, is not among them.
func Constructors() map[string]Constructor {
	return map[string]Constructor{
		IngressClassName: func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction {
			return NewIngressClass(log, with.Clients)
		},
		SystemNamespacesName: func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction {
			return NewSystemNamespaces(log, with.Settings, with.Clients, with.Decisions, with.References)
		},
		SystemNamespacesClusterScopedName: func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction {
			return NewSystemNamespacesClusterScoped(log, with.Settings, with.Clients, with.Decisions, with.References)
		},
		UnmountedVolumesName: func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction {
			return NewUnmountedVolumes(log, with.Settings, with.Clients)
		},
		VolumeSecretsName: func(log logrus.FieldLogger, with Dependencies) biav1.BackupItemAction {
			return NewVolumeSecrets(log, with.Clients, with.References)
		},
		VolumeTopologyName: func(log logrus.FieldLogger, _ Dependencies) biav1.BackupItemAction {
			return NewVolumeTopology(log)
		},
	}
}
