// SPDX-License-Identifier: Apache-2.0

// Package ledger is the stateful application of end-to-end tests as objects of Kubernetes, and how a test asks it. The
// program is cmd/ledger; its image has it as entry point.
package ledger

import (
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

const (
	// Name is that of all objects but the namespace.
	Name = "ledger"
	// NodePortName is that of the Service of type NodePort.
	NodePortName = "ledger-node"
	// Port is that of the program and of the Services. Velero servers of other tests on this machine need 8080, at all of
	// its addresses.
	Port = 8100
	// nonRoot is the user and group that Pods run as: that of distroless images.
	nonRoot = 65532
	// token is the content of the Secret.
	tokenKey, token = "token", "open sesame"
)

// Volume is a claim of each Pod, mounted at /<Name>.
type Volume struct {
	Name         string
	StorageClass string
	AccessModes  []corev1.PersistentVolumeAccessMode
	Size         string // 20Gi by default
	// Labels are those of the claim.
	Labels map[string]string
}

// Options say what the application is like.
type Options struct {
	Namespace string
	Image     string
	// Volumes are what it writes to.
	Volumes []Volume
	// Replicas is 1 by default.
	Replicas int32
	// Interval is the time between two records. 50ms by default.
	Interval time.Duration
	// ServiceAnnotations and LoadBalancerClass are of the Service of type LoadBalancer.
	ServiceAnnotations map[string]string
	LoadBalancerClass  string
	// NodePort is that of the Service of type NodePort. 0 lets the API server choose.
	NodePort int32
}

// Objects returns the application, in an order in which it can be created. The first object is its namespace, in which only
// Pods run that the restricted Pod Security Standard allows.
func Objects(options Options) []client.Object {
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: options.Namespace, Name: name, Labels: labels()}
	}
	interval := options.Interval
	if interval == 0 {
		interval = 50 * time.Millisecond
	}
	balancer := &corev1.Service{ObjectMeta: meta(Name), Spec: serviceSpec(corev1.ServiceTypeLoadBalancer, 0)}
	balancer.Annotations = maps.Clone(options.ServiceAnnotations)
	if options.LoadBalancerClass != "" {
		balancer.Spec.LoadBalancerClass = &options.LoadBalancerClass
	}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name:   options.Namespace,
			Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"},
		}},
		&corev1.ServiceAccount{ObjectMeta: meta(Name), AutomountServiceAccountToken: new(false)},
		&corev1.ConfigMap{ObjectMeta: meta(Name), Data: map[string]string{
			"LEDGER_DIRS": strings.Join(paths(options.Volumes), ":"), "LEDGER_INTERVAL": interval.String(),
		}},
		&corev1.Secret{ObjectMeta: meta(Name), Data: map[string][]byte{tokenKey: []byte(token)}},
		balancer,
		&corev1.Service{ObjectMeta: meta(NodePortName), Spec: serviceSpec(corev1.ServiceTypeNodePort, options.NodePort)},
		&policyv1.PodDisruptionBudget{ObjectMeta: meta(Name), Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels()},
		}},
		statefulSet(options, meta(Name)),
	}
}

func labels() map[string]string { return map[string]string{"app.kubernetes.io/name": Name} }

// Path is where a volume is mounted, which is its directory in what the program tells.
func Path(volume string) string { return "/" + volume }

func paths(volumes []Volume) []string {
	all := make([]string, len(volumes))
	for i, v := range volumes {
		all[i] = Path(v.Name)
	}
	return all
}

func serviceSpec(kind corev1.ServiceType, nodePort int32) corev1.ServiceSpec {
	return corev1.ServiceSpec{
		Type: kind, Selector: labels(),
		Ports: []corev1.ServicePort{{Name: "http", Port: Port, TargetPort: intstr.FromString("http"), NodePort: nodePort}},
	}
}

func statefulSet(options Options, meta metav1.ObjectMeta) *appsv1.StatefulSet {
	replicas := max(options.Replicas, 1)
	return &appsv1.StatefulSet{
		ObjectMeta: meta,
		Spec: appsv1.StatefulSetSpec{
			ServiceName: Name, Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels()},
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			VolumeClaimTemplates: claims(options.Volumes),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels()},
				Spec:       podSpec(options),
			},
		},
	}
}

func claims(volumes []Volume) []corev1.PersistentVolumeClaim {
	all := make([]corev1.PersistentVolumeClaim, 0, len(volumes))
	for _, v := range volumes {
		size := v.Size
		if size == "" {
			size = "20Gi"
		}
		claim := corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: v.Name, Labels: maps.Clone(v.Labels)},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: v.AccessModes,
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
			},
		}
		if v.StorageClass != "" {
			claim.Spec.StorageClassName = &v.StorageClass
		}
		all = append(all, claim)
	}
	return all
}

// podSpec is what the restricted Pod Security Standard allows, with a root file system that cannot be written.
func podSpec(options Options) corev1.PodSpec {
	mounts := make([]corev1.VolumeMount, 0, 1+len(options.Volumes))
	mounts = append(mounts, corev1.VolumeMount{Name: "secret", MountPath: "/etc/ledger", ReadOnly: true})
	for _, v := range options.Volumes {
		mounts = append(mounts, corev1.VolumeMount{Name: v.Name, MountPath: Path(v.Name)})
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
			PeriodSeconds: 2, FailureThreshold: 15,
		}
	}
	return corev1.PodSpec{
		ServiceAccountName:            Name,
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(10)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(nonRoot)), RunAsGroup: new(int64(nonRoot)), FSGroup: new(int64(nonRoot)),
			// A restored volume is not changed, so that what was restored is what is verified.
			FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: Name, Image: options.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"serve"},
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			Env:                      []corev1.EnvVar{{Name: "LEDGER_TOKEN_FILE", Value: "/etc/ledger/" + tokenKey}},
			EnvFrom:                  []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: Name}}}},
			Ports:                    []corev1.ContainerPort{{Name: "http", ContainerPort: Port}},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			LivenessProbe: probe(writer.HealthPath), ReadinessProbe: probe(writer.ReadyPath), VolumeMounts: mounts,
			// A Pod that asks for nothing gets next to nothing while others use the processors, and it is to answer all the time.
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}},
		}},
		Volumes: []corev1.Volume{{
			Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: Name}},
		}},
	}
}
