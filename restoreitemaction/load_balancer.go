// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// LoadBalancerName is the name that NewLoadBalancer's action is registered by.
const LoadBalancerName = "alibabacloud.com/load-balancer"

// LoadBalancer is the RestoreItemAction that prepares Services for the load
// balancers and node ports of the cluster that is restored to:
//
//   - a Service of type LoadBalancer of Alibaba Cloud loses what the cloud
//     controller manager has written into it, so that the one here starts afresh. It
//     makes a new load balancer, or uses the existing one that the Service names,
//     whose listeners it leaves alone;
//   - a Service of type NodePort keeps its node ports, which Velero removes, as far as
//     they are free.
type LoadBalancer struct {
	log         logrus.FieldLogger
	settings    *settings.Settings[LoadBalancerSettings]
	annotations *settings.Settings[AnnotationsSettings]
	cluster     Clients

	// warned has the warning that node ports cannot be checked.
	warned once.Seen
}

// NewLoadBalancer returns the action with the settings that reader reads. It
// contacts nothing.
func NewLoadBalancer(log logrus.FieldLogger, reader *settings.Reader, cluster Clients) *LoadBalancer {
	return &LoadBalancer{
		log:         log,
		settings:    settings.Of[LoadBalancerSettings](reader, LoadBalancerName),
		annotations: annotationsSettings(reader),
		cluster:     cluster,
	}
}

// AppliesTo returns Services.
func (a *LoadBalancer) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: []string{resourceServices}}, nil
}

// Execute returns the Service as it can live here, or the very item that came where
// nothing is to do. The error is that of reading the settings.
func (a *LoadBalancer) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, a.prepare)
}

func (a *LoadBalancer) prepare(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	s := &serviceRestore{
		action:     a,
		restore:    o.restore,
		fromBackup: o.fromBackup,
		service:    o.item.DeepCopy(),
		log:        a.log.WithFields(fieldsOf(o.item)),
	}
	switch serviceType(o.fromBackup) {
	case corev1.ServiceTypeLoadBalancer:
		return s.service, s.renewLoadBalancer(ctx)
	case corev1.ServiceTypeNodePort:
		return s.service, s.keepNodePorts(ctx)
	default:
		return nil, nil //nolint:nilnil // nothing is to do
	}
}

// serviceRestore is the restore of one Service.
type serviceRestore struct {
	action     *LoadBalancer
	restore    *velerov1.Restore
	fromBackup *unstructured.Unstructured
	// service is changed in place.
	service *unstructured.Unstructured
	log     logrus.FieldLogger
}

func serviceType(service *unstructured.Unstructured) corev1.ServiceType {
	name, _, _ := unstructured.NestedString(service.Object, "spec", "type")
	return corev1.ServiceType(name)
}
