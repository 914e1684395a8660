// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Annotations by which a user asks the cloud controller manager for something,
// after one of the prefixes.
const (
	// balancerID names an existing load balancer to use.
	balancerID = "id"
	// balancerOverride is "true" where the listeners of an existing one are replaced.
	balancerOverride = "force-override-listeners"
	// balancerServerGroups name server groups of an existing one.
	balancerServerGroups = "vgroup-port"
)

// balancerPrefixes returns the prefixes of the annotations, for SLB (CLB) and NLB.
// The controller reads the second one where the first is not there.
func balancerPrefixes() []string {
	return []string{
		"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-",
		"service.beta.kubernetes.io/alicloud-loadbalancer-",
	}
}

// controllerLabels are what the controller labels a Service with. It does nothing
// for one whose hash is that of its content.
func controllerLabels() []string {
	return []string{
		"service.beta.kubernetes.io/hash",
		"service.k8s.alibaba/loadbalancer-id",
		"service.k8s.alibaba/security-group-id",
	}
}

// controllerFinalizers are those that the controller adds. Where none runs, a
// Service with one could not be deleted.
func controllerFinalizers() []string {
	return []string{"service.k8s.alibaba/resources", "service.k8s.alibaba/nlb"}
}

// classPrefix is that of the loadBalancerClasses of Alibaba Cloud.
const classPrefix = "alibabacloud.com/"

// annotationRestoreStatus is the one by which Velero restores the status of an
// object, or not, whatever the Restore says.
const annotationRestoreStatus = "velero.io/restore-status"

// renewLoadBalancer prepares a Service that was of type LoadBalancer when it was
// backed up. One without a mark of Alibaba Cloud stays as it is.
func (s *serviceRestore) renewLoadBalancer(ctx context.Context) error {
	run := settings.ForRestore(s.restore)
	rules, _, err := s.action.annotations.Read(ctx, run)
	if err != nil {
		return err
	}
	asked := rules.changes(s.fromBackup)
	annotations := asked.on(s.fromBackup.GetAnnotations())
	if !s.isOfAlibabaCloud(annotations) {
		return nil
	}
	set, _, err := s.action.settings.Read(ctx, run)
	if err != nil {
		return err
	}
	changes := set.balancerChanges(annotations, asked)
	if s.restoresStatus(annotations) {
		// The controller would look for the load balancer that the status tells of.
		changes.set(annotationRestoreStatus, "false")
	}
	for key := range asked {
		// A rule of the action annotations decides, whichever action comes first.
		delete(changes, key)
	}
	changes.log(s.log, s.service)
	if set.Reuse != ReuseNew {
		s.warnOfServerGroups(annotations, changes)
	}
	changes.apply(s.service)
	s.removeMarks()
	s.renewHealthCheckPort()
	return nil
}

// warnOfServerGroups warns where the Service is not to be in the server groups any more of a
// load balancer that it uses. They may be the only way of its traffic, where it is restored in
// place of itself.
func (s *serviceRestore) warnOfServerGroups(annotations map[string]string, changes annotationChanges) {
	prefix, groups := balancerAnnotation(annotations, balancerServerGroups)
	if key := prefix + balancerServerGroups; groups != "" && changes[key].removed {
		s.log.WithField("serverGroups", groups).Warn("The server groups get no restored application, which would have a share of their traffic at once: " +
			"when it is to come here, set the annotation " + key + " again, or in a restore by a rule of the action annotations")
	}
}

// isOfAlibabaCloud reports whether the Service has a mark of Alibaba Cloud's
// controller, or asks for one.
func (s *serviceRestore) isOfAlibabaCloud(annotations map[string]string) bool {
	class, _, _ := unstructured.NestedString(s.fromBackup.Object, "spec", "loadBalancerClass")
	if strings.HasPrefix(class, classPrefix) {
		return true
	}
	for key := range annotations {
		for _, prefix := range balancerPrefixes() {
			if strings.HasPrefix(key, prefix) {
				return true
			}
		}
	}
	labels := s.fromBackup.GetLabels()
	return slices.ContainsFunc(controllerLabels(), func(key string) bool { _, ok := labels[key]; return ok }) ||
		slices.ContainsFunc(s.fromBackup.GetFinalizers(), func(name string) bool {
			return slices.Contains(controllerFinalizers(), name)
		})
}

// balancerChanges returns what becomes of the annotations of a Service of type
// LoadBalancer; asked are those that are asked for by rules, and among annotations
// already.
func (s *LoadBalancerSettings) balancerChanges(annotations map[string]string, asked annotationChanges) annotationChanges {
	changes := annotationChanges{}
	remove := func(name string) {
		for _, prefix := range balancerPrefixes() {
			if _, ok := asked[prefix+name]; !ok {
				changes.remove(prefix + name)
			}
		}
	}
	if s.Reuse == ReuseNew {
		remove(balancerID)
		remove(balancerServerGroups)
	}
	annotations = changes.on(annotations)
	prefix, id := balancerAnnotation(annotations, balancerID)
	if id == "" {
		return changes
	}
	override := strconv.FormatBool(s.OverrideListeners)
	if asksOverride(asked) {
		_, override = balancerAnnotation(annotations, balancerOverride)
	} else {
		changes.set(prefix+balancerOverride, override)
		for _, other := range balancerPrefixes() {
			if _, ok := annotations[other+balancerOverride]; ok {
				changes.set(other+balancerOverride, override)
			}
		}
	}
	if override != "true" {
		// A listener that is left alone leads to the group, of which each server has a share of its traffic at once.
		remove(balancerServerGroups)
	}
	return changes
}

// balancerAnnotation returns the annotation of a name, as the controller reads it, and the
// prefix that it has. Both are empty if there is none.
func balancerAnnotation(annotations map[string]string, name string) (prefix, value string) {
	for _, prefix := range balancerPrefixes() {
		if value, ok := annotations[prefix+name]; ok {
			return prefix, value
		}
	}
	return "", ""
}

// asksOverride reports whether a rule decides about the listeners.
func asksOverride(asked annotationChanges) bool {
	return slices.ContainsFunc(balancerPrefixes(), func(prefix string) bool {
		_, ok := asked[prefix+balancerOverride]
		return ok
	})
}

// restoresStatus reports whether Velero would restore the status of the Service,
// with the address of a load balancer. It takes the status from the backup, so that
// an action cannot remove it from the item.
func (s *serviceRestore) restoresStatus(annotations map[string]string) bool {
	addresses, _, _ := unstructured.NestedSlice(s.fromBackup.Object, "status", "loadBalancer", "ingress")
	return len(addresses) > 0 &&
		(includesServices(s.restore.Spec.RestoreStatus) || strings.EqualFold(strings.TrimSpace(annotations[annotationRestoreStatus]), "true"))
}

// includesServices reports whether a Restore asks for the status of Services.
func includesServices(spec *velerov1.RestoreStatusSpec) bool {
	services := resourcefilter.Resource{Name: resourceServices, Aliases: []string{"service", "svc"}}
	return spec != nil && services.In(spec.IncludedResources, spec.ExcludedResources)
}

// removeMarks removes what the controller has written into the Service.
func (s *serviceRestore) removeMarks() {
	labels := s.service.GetLabels()
	finalizers := s.service.GetFinalizers()
	maps.DeleteFunc(labels, func(key, _ string) bool { return slices.Contains(controllerLabels(), key) })
	finalizers = slices.DeleteFunc(finalizers, func(name string) bool { return slices.Contains(controllerFinalizers(), name) })
	if len(labels) < len(s.service.GetLabels()) {
		if len(labels) == 0 {
			labels = nil
		}
		s.service.SetLabels(labels)
		s.log.Info("Removed the labels of the cloud controller manager")
	}
	if len(finalizers) < len(s.service.GetFinalizers()) {
		if len(finalizers) == 0 {
			finalizers = nil
		}
		s.service.SetFinalizers(finalizers)
		s.log.Info("Removed the finalizers of the cloud controller manager")
	}
}

// renewHealthCheckPort lets the API server choose the port of health checks, unless
// the Restore preserves node ports. Velero does so only where nobody has asked for
// the port.
func (s *serviceRestore) renewHealthCheckPort() {
	port, _, _ := unstructured.NestedInt64(s.service.Object, "spec", "healthCheckNodePort")
	if preserve := s.restore.Spec.PreserveNodePorts; port == 0 || preserve != nil && *preserve {
		return
	}
	unstructured.RemoveNestedField(s.service.Object, "spec", "healthCheckNodePort")
	s.log.WithField("old", port).Info("Removed healthCheckNodePort, so that another is chosen")
}
