// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

// The labels that a Service gets.
const (
	hashLabel = "service.beta.kubernetes.io/hash"
	idLabel   = "service.k8s.alibaba/loadbalancer-id"
)

// The tags that load balancers get. clusterTag is on those that ACK has made, of the API server too.
const (
	ownTag     = "kubernetes.do.not.delete"
	clusterTag = "ack.aliyun.com"
	reuseTag   = "kubernetes.reused.by.user"
)

// Annotations of Services, after a prefix.
const (
	annotationID          = "id"
	annotationOverride    = "force-override-listeners"
	annotationName        = "name"
	annotationAddressType = "address-type"
	annotationHostname    = "hostname"
	annotationGroups      = "vgroup-port"
	annotationProtocol    = "protocol-port"
	annotationScheduler   = "scheduler"
	annotationZones       = "zone-maps"
)

// Annotations of Services without a prefix of load balancers. classAnnotation is of Services that another controller looks
// after.
const (
	backendTypeAnnotation = "service.beta.kubernetes.io/backend-type"
	classAnnotation       = "service.beta.kubernetes.io/class"
)

const nlbClass = "alibabacloud.com/nlb"

// annotation returns the value of an annotation of a Service.
func annotation(service *corev1.Service, name string) string {
	for _, prefix := range []string{
		"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-", "service.beta.kubernetes.io/alicloud-loadbalancer-",
	} {
		if value, ok := service.Annotations[prefix+name]; ok {
			return value
		}
	}
	return ""
}

// product is what differs between the controllers of CLB and NLB.
type product struct {
	kind      slb.Kind
	finalizer string
	// The beginnings of errors.
	finding, preparing, reusing string
}

func products() []product {
	return []product{
		{
			kind: slb.CLB, finalizer: "service.k8s.alibaba/resources", finding: "get load balancer attribute from cloud, error",
			preparing: "update lb attribute error", reusing: "alicloud: the loadbalancer",
		},
		{
			kind: slb.NLB, finalizer: "service.k8s.alibaba/nlb", finding: "get nlb attribute from cloud error",
			preparing: "update nlb attribute error", reusing: "the loadbalancer",
		},
	}
}

// handles says whether the controller looks after a Service, if only to clean up (`needAdd`).
func (p product) handles(service *corev1.Service) bool {
	return p.wants(service) && service.DeletionTimestamp == nil || controllerutil.ContainsFinalizer(service, p.finalizer)
}

// wants says whether a Service is to have a load balancer of the product (`NeedCLB`, `NeedNLB`).
func (p product) wants(service *corev1.Service) bool {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return false
	}
	class := service.Spec.LoadBalancerClass
	if p.kind == slb.NLB {
		return class != nil && *class == nlbClass
	}
	return class == nil && service.Annotations[classAnnotation] == ""
}

// ingress is what the status of a Service tells of its load balancer.
func (p product) ingress(service *corev1.Service, balancer slb.LoadBalancer) []corev1.LoadBalancerIngress {
	switch hostname := annotation(service, annotationHostname); {
	case p.kind == slb.NLB:
		return []corev1.LoadBalancerIngress{{Hostname: balancer.DNSName}}
	case hostname != "":
		return []corev1.LoadBalancerIngress{{Hostname: hostname}}
	default:
		return []corev1.LoadBalancerIngress{{IP: balancer.Address}}
	}
}

// reusable returns why a load balancer cannot be used for a Service that names it, "" if it can (`isLoadBalancerReusable`,
// `isNLBReusable`).
func (p product) reusable(service *corev1.Service, balancer slb.LoadBalancer) string {
	for _, key := range []string{ownTag, clusterTag} {
		if _, ok := balancer.Tags[key]; ok {
			return "can not reuse loadbalancer created by kubernetes."
		}
	}
	ingress := service.Status.LoadBalancer.Ingress
	for _, i := range ingress {
		if p.kind == slb.NLB && i.Hostname == balancer.DNSName || p.kind == slb.CLB && (i.IP == balancer.Address || i.IP == "" && i.Hostname != "") {
			return ""
		}
	}
	switch {
	case len(ingress) == 0:
		return ""
	case p.kind == slb.NLB:
		return fmt.Sprintf("service has been associated with dnsname [%v], cannot be bound to dnsname [%s]", ingress[0].Hostname, balancer.DNSName)
	default:
		return fmt.Sprintf("service has been associated with ip [%v], cannot be bound to ip [%s]", ingress[0].IP, balancer.Address)
	}
}

// nameOf is the name of a load balancer that is made for a Service, and the value of its tag
// (`GetDefaultLoadBalancerName`).
func nameOf(service *corev1.Service) string {
	name := strings.ReplaceAll("a"+string(service.UID), "-", "")
	return name[:min(len(name), 32)]
}

// hashOf is that of what of a Service is the controller's business (`GetServiceHash`). It is not that of the real one, but it
// is of the same.
func hashOf(service *corev1.Service) string {
	text, err := json.Marshal([]any{
		service.Spec.Ports, service.Spec.Type, service.Spec.ExternalTrafficPolicy, service.Spec.LoadBalancerClass,
		service.Annotations, service.DeletionTimestamp,
	})
	if err != nil {
		return "" // There is nothing in it that has no JSON.
	}
	return fmt.Sprintf("%x", sha256.Sum224(text))
}

// message is what of an error is told in an event: of an answer of the cloud only its message (`GetLogMessage`).
func message(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "Message:"); i >= 0 {
		return text[i:]
	}
	return text
}
