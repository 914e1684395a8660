// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const (
	// pluginPath is where the plugin's image has its binary (Dockerfile).
	pluginPath = "/velero-plugin-alibabacloud"
	// idleCommand has it do nothing until it is ended.
	idleCommand = "idle"
	// imageUser is the user that the image runs as (Dockerfile).
	imageUser = 65532
	// mountPath is where a temporary Pod has its volume, which it does not use itself.
	mountPath  = "/volume"
	volumeName = "volume"
	// gracePeriodSeconds is how long the idle process may take to end.
	gracePeriodSeconds = 5
	// priority is that of deploy/hbr-client/priorityclass.yaml.
	priority = -1000
)

// ensurePriorityClass makes the PriorityClass of temporary Pods where it is missing.
func (t temporary) ensurePriorityClass(ctx context.Context) error {
	err := t.api.Get(ctx, client.ObjectKey{Name: agent.PriorityClass}, &schedulingv1.PriorityClass{})
	if apierrors.IsNotFound(err) {
		return create(ctx, t.api, "PriorityClass", priorityClass())
	}
	if err != nil {
		return fmt.Errorf("reading the PriorityClass %s: %w", agent.PriorityClass, err)
	}
	return nil
}

// priorityClass is that of deploy/hbr-client/priorityclass.yaml, which a cluster without
// the client's manifests lacks.
func priorityClass() *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{
		ObjectMeta:       metav1.ObjectMeta{Name: agent.PriorityClass},
		Value:            priority,
		PreemptionPolicy: new(corev1.PreemptNever),
		Description:      "Jobs of Cloud Backup. They give way to everything else.",
	}
}

// podOn returns the temporary Pod that mounts the owner's claim on one of the nodes.
func (t temporary) podOn(nodes []string, policy agent.Policy, image *podImage, since time.Time) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: t.meta(since),
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name:    "idle",
				Image:   image.name,
				Command: []string{pluginPath, idleCommand},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
					Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
				},
				VolumeMounts: []corev1.VolumeMount{{Name: volumeName, MountPath: mountPath, ReadOnly: t.owner.Kind == Backup}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					ReadOnlyRootFilesystem:   new(true),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
			Volumes: []corev1.Volume{{Name: volumeName, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: t.owner.name()},
			}}},
			// No fsGroup: the kubelet would change the owners of all files.
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   new(true),
				RunAsUser:      new(int64(imageUser)),
				RunAsGroup:     new(int64(imageUser)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(gracePeriodSeconds)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			ImagePullSecrets:              image.pullSecrets,
			PriorityClassName:             agent.PriorityClass,
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Affinity:                      t.affinity(nodes, policy),
		},
	}
}

// affinity has the scheduler choose one of the nodes, by the policy, on which no other
// temporary Pod of the run is.
func (t temporary) affinity(nodes []string, policy agent.Policy) *corev1.Affinity {
	allowed := &corev1.NodeSelector{}
	for _, node := range nodes {
		allowed.NodeSelectorTerms = append(allowed.NodeSelectorTerms, corev1.NodeSelectorTerm{
			// A term may name one node alone.
			MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		})
	}
	return &corev1.Affinity{
		NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution:  allowed,
			PreferredDuringSchedulingIgnoredDuringExecution: policy.Preferences(),
		},
		PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{runLabel: string(t.owner.Run)}},
				TopologyKey:   corev1.LabelHostname,
			}},
		},
	}
}
