// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// balancerAnnotation is the prefix of the annotations that Alibaba Cloud's cloud controller manager reads.
const balancerAnnotation = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"

// OnAlibabaCloud are objects that tie the application to the place where it runs: a Deployment with images of Docker
// Hub, and Services with load balancers. They are not among Objects, for a restore changes them. The Services have a
// finalizer that the cloud controller manager removes when they are deleted.
func OnAlibabaCloud(namespace string) []client.Object {
	return []client.Object{
		proxy(namespace),
		// It uses a load balancer that exists, and has its listeners.
		balanced(namespace, "checkout", "lb-bp1checkout", map[string]string{
			"id": "lb-bp1checkout", "force-override-listeners": "true",
		}),
		// The cloud controller manager has made its load balancer.
		balanced(namespace, "api", "lb-bp1made", map[string]string{"address-type": "intranet"}),
	}
}

func proxy(namespace string) *appsv1.Deployment {
	template := pod("proxy", webPort)
	template.Spec.Containers[0].Image = "nginx:1.14.1"
	template.Spec.InitContainers = []corev1.Container{{Name: "wait", Image: "busybox:1.36", Command: []string{"true"}}}
	return &appsv1.Deployment{
		ObjectMeta: named(namespace, "proxy"),
		Spec:       appsv1.DeploymentSpec{Selector: selects("proxy"), Template: template},
	}
}

// balanced is a Service with the load balancer of that id, as the cloud controller manager leaves it. Its annotations
// are given without their prefix.
func balanced(namespace, name, id string, annotations map[string]string) *corev1.Service {
	s := service(namespace, name, "proxy", webPort, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer})
	s.Annotations = map[string]string{}
	for key, value := range annotations {
		s.Annotations[balancerAnnotation+key] = value
	}
	maps.Copy(s.Labels, map[string]string{
		"service.beta.kubernetes.io/hash":     "7f1d4ce41c6ff8d2a02ae9ab2c1ae8b3",
		"service.k8s.alibaba/loadbalancer-id": id,
	})
	s.Finalizers = []string{"service.k8s.alibaba/resources"}
	return s
}
