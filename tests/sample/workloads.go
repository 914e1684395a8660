// SPDX-License-Identifier: Apache-2.0

package sample

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webReplicas is the number of the Deployment's Pods, and the least that the autoscaler allows.
const webReplicas = 2

// workloads run the application, and say how it is scaled and disrupted.
func workloads(namespace string) []client.Object {
	return []client.Object{
		&appsv1.Deployment{
			ObjectMeta: named(namespace, "web"),
			Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(webReplicas)), Selector: selects("web"), Template: pod("web", webPort),
			},
		},
		&appsv1.StatefulSet{
			ObjectMeta: named(namespace, "database"),
			Spec: appsv1.StatefulSetSpec{
				ServiceName: "database", Selector: selects("database"), Template: pod("database", databasePort),
			},
		},
		&appsv1.DaemonSet{
			ObjectMeta: named(namespace, "agent"),
			Spec:       appsv1.DaemonSetSpec{Selector: selects("agent"), Template: pod("agent", webPort)},
		},
		&batchv1.CronJob{
			ObjectMeta: named(namespace, "report"),
			Spec: batchv1.CronJobSpec{
				Schedule: "0 3 29 2 *",
				JobTemplate: batchv1.JobTemplateSpec{
					Spec: batchv1.JobSpec{Template: oneOff(pod("report", webPort))},
				},
			},
		},
		&policyv1.PodDisruptionBudget{
			ObjectMeta: named(namespace, "web"),
			Spec: policyv1.PodDisruptionBudgetSpec{
				MinAvailable: new(intstr.FromInt32(1)), Selector: selects("web"),
			},
		},
		&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: named(namespace, "web"),
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
					APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment", Name: "web",
				},
				MinReplicas: new(int32(webReplicas)), MaxReplicas: 5,
				Metrics: []autoscalingv2.MetricSpec{{
					Type: autoscalingv2.ResourceMetricSourceType,
					Resource: &autoscalingv2.ResourceMetricSource{
						Name: corev1.ResourceCPU,
						Target: autoscalingv2.MetricTarget{
							Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80)),
						},
					},
				}},
			},
		},
	}
}

// selects selects the Pods of a component.
func selects(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: component(name)}
}

// pod is the template of a component's Pods.
func pod(name string, port int32) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: component(name)},
		Spec: corev1.PodSpec{
			ServiceAccountName: "web",
			Containers: []corev1.Container{{
				Name:  "main",
				Image: "registry.example.com/shop/" + name + ":1.4.2",
				Ports: []corev1.ContainerPort{{Name: "main", ContainerPort: port}},
				Env: []corev1.EnvVar{{Name: "CURRENCY", ValueFrom: &corev1.EnvVarSource{
					ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
						LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "currency",
					},
				}}},
				VolumeMounts: []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}},
			}},
			Volumes: []corev1.Volume{{
				Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
			}},
		},
	}
}

// oneOff makes the template one of a Job.
func oneOff(template corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return template
}
