// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const (
	// podsDirectory is where the kubelet keeps what it mounts, below its root.
	podsDirectory = "pods"
	// clientPods is what the client takes the hostPrefix of a backup to be relative to,
	// unless it is told of another kubelet's root.
	clientPods = agent.DefaultKubeletRoot + "/" + podsDirectory
	// toRoot leads to the root of the node from whichever directory of pods: there is
	// nothing above the root.
	toRoot = "../../../../../../../.."
	// WholeVolume is the pvPath of all of a volume, whatever its hostPrefix.
	WholeVolume = "/"
)

// Place is a volume on a node, as a job of the client is told it.
type Place struct {
	// Node is the job's host.
	Node string
	// Directory is where the volume's files are on the node: absolute and clean.
	Directory string
}

// BackupPrefix is the hostPrefix of a backup job: relative to the directory of the pods,
// wherever the client takes that to be.
func (p Place) BackupPrefix() string {
	if below, ok := strings.CutPrefix(p.Directory, clientPods+"/"); ok {
		return below
	}
	return toRoot + p.Directory
}

// RestorePrefix is the hostPrefix of a restore job: absolute.
func (p Place) RestorePrefix() string { return p.Directory }

// SeesHostPath tells whether a client that mounts the directory root of the nodes, empty for
// none, sees the files of a hostPath volume.
func SeesHostPath(root string, pv *corev1.PersistentVolume) bool {
	if root == "" {
		return false
	}
	if t := pv.Spec.HostPath.Type; t != nil {
		switch *t {
		case corev1.HostPathUnset, corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate:
		default:
			return false
		}
	}
	return volume.IsBelow(volume.LocalPath(pv), root)
}

// visible returns a final error for a volume that the client does not see on any node.
func (c Config) visible(pv *corev1.PersistentVolume) error {
	switch {
	case volume.IsBlock(pv):
		return final.Errorf("the volume %s is a block device", pv.Name)
	case volume.KindOf(pv) == volume.KindHostPath && !SeesHostPath(c.HostPathRoot, pv):
		return final.Errorf("the volume %s: the Cloud Backup client does not see the directory %s (config key hostPathRoot)", pv.Name, volume.LocalPath(pv))
	case volume.KindOf(pv) != volume.KindHostPath && pluginDirectory(pv) == "":
		return final.Errorf("the volume %s: %w", pv.Name, errNoDirectory)
	default:
		return nil
	}
}

// Reasons why a Pod does not mount a volume.
var (
	errNotRunning  = errors.New("it is not running")
	errNotMounting = errors.New("none of its containers mounts the volume")
	errNoDirectory = errors.New("its plug-in has no directory that is known")
)

// placeIn returns where the kubelet, whose root is kubeletRoot, has mounted pv for pod.
func placeIn(kubeletRoot string, pod *corev1.Pod, pv *corev1.PersistentVolume) (Place, error) {
	directory, err := directoryIn(kubeletRoot, pod, pv)
	if err != nil {
		return Place{}, fmt.Errorf("the pod %s/%s gives no way to the volume %s: %w", pod.Namespace, pod.Name, pv.Name, err)
	}
	return Place{Node: pod.Spec.NodeName, Directory: directory}, nil
}

func directoryIn(kubeletRoot string, pod *corev1.Pod, pv *corev1.PersistentVolume) (string, error) {
	if pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
		return "", errNotRunning
	}
	if !mounts(pod, pv) {
		return "", errNotMounting
	}
	if volume.KindOf(pv) == volume.KindHostPath {
		return volume.LocalPath(pv), nil // The kubelet mounts nothing of its own.
	}
	plugin := pluginDirectory(pv)
	if plugin == "" {
		return "", errNoDirectory
	}
	return path.Join(kubeletRoot, podsDirectory, string(pod.UID), "volumes", plugin), nil
}

// mounts tells whether a container of pod mounts pv, all of it or a subPath: the
// kubelet mounts all of it either way, and nothing of a volume that no container mounts.
func mounts(pod *corev1.Pod, pv *corev1.PersistentVolume) bool {
	claim := pv.Spec.ClaimRef
	if claim == nil || claim.Namespace != pod.Namespace {
		return false
	}
	var containers []corev1.Container
	containers = append(append(containers, pod.Spec.InitContainers...), pod.Spec.Containers...)
	for _, v := range pod.Spec.Volumes {
		if claimOf(pod, v) != claim.Name {
			continue
		}
		if slices.ContainsFunc(containers, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name })
		}) {
			return true
		}
	}
	return false
}

// claimOf returns the claim of a Pod's volume, "" if it has none.
func claimOf(pod *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name
	default:
		return ""
	}
}

// pluginDirectory returns where the kubelet mounts pv below a Pod's volumes, "" for
// plug-ins that it is not known of.
// Source: Kubernetes, GetPodVolumeDir and the plug-ins in pkg/volume.
func pluginDirectory(pv *corev1.PersistentVolume) string {
	switch {
	case pv.Spec.CSI != nil:
		return path.Join("kubernetes.io~csi", pv.Name, "mount")
	case pv.Spec.FlexVolume != nil:
		return path.Join(strings.ReplaceAll(pv.Spec.FlexVolume.Driver, "/", "~"), pv.Name)
	case pv.Spec.NFS != nil:
		return path.Join("kubernetes.io~nfs", pv.Name)
	case pv.Spec.Local != nil:
		return path.Join("kubernetes.io~local-volume", pv.Name)
	default:
		return ""
	}
}
