// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// Clients is the cluster that is restored to, for actions that look into it or add
// to it.
type Clients interface {
	// Namespace returns the namespace that Velero is installed in.
	Namespace() string
	// Client returns a client that knows the types of core/v1.
	Client() (client.Client, error)
}

// Dependencies are what the actions of version 1 are made with.
type Dependencies struct {
	Settings  *settings.Reader
	Planner   *storageclass.Planner
	Clients   Clients
	Discovery Discovery
}

// Constructor makes an action, which contacts nothing until it is executed.
type Constructor func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction

// Constructors returns those of all actions of version 1, by the names that they are
// registered by. NewVolumeReady's action, of version 2, is not among them.
func Constructors() map[string]Constructor {
	return map[string]Constructor{
		AccessModesName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewAccessModes(log, with.Planner)
		},
		AnnotationsName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewAnnotations(log, with.Settings)
		},
		APIVersionName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewAPIVersion(log, with.Discovery)
		},
		DiskSizeName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewDiskSize(log, with.Planner)
		},
		FlexVolumeToCSIName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewFlexVolumeToCSI(log, with.Settings, with.Clients)
		},
		ImageMappingName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewImageMapping(log, with.Settings)
		},
		IngressClassName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewIngressClass(log, with.Discovery, with.Clients)
		},
		LoadBalancerName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewLoadBalancer(log, with.Settings, with.Clients)
		},
		StorageClassMappingName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewStorageClassMapping(log, with.Planner)
		},
		VolumeSecretsName: func(log logrus.FieldLogger, with Dependencies) riav1.RestoreItemAction {
			return NewVolumeSecrets(log, with.Clients)
		},
	}
}
