// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/apply"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// Where Install puts the driver, which are the names of the real one.
const (
	Namespace = metav1.NamespaceSystem
	Name      = "csi-plugin"
)

// CNFS is the name of the CNFS object that the StorageClass alibabacloud-cnfs-nas of ACK names.
const CNFS = "cnfs-nas-filesystem"

// Options say what Install installs.
type Options struct {
	// Image has the program as its entrypoint, and is on the node.
	Image string
	// AdminURL and ProxyURL are where the node reaches the simulated cloud, whose Addresses have them.
	AdminURL, ProxyURL string
	// StateDir is the simulator's directory on the node's machine.
	StateDir string
	// CAFile is the certificate of the simulator's authority. Empty means ca.pem in StateDir.
	CAFile string
	// KubeletDir is the kubelet's directory. Empty means /var/lib/kubelet.
	KubeletDir string
	Region     string
	// Instance is the ECS instance that the node is, and Zone is where that is. The simulated ECS must have it.
	Instance, Zone string
	Account        Account
	// FileSystems are the mount targets of CNFS objects. With one named CNFS there is the StorageClass
	// alibabacloud-cnfs-nas.
	FileSystems map[string]string
	// DefaultClass is the StorageClass that claims get which name none. Empty means that there is none.
	DefaultClass string
}

// Install makes or updates the driver in a cluster of one node, with the StorageClasses of ACK.
func Install(ctx context.Context, api client.Client, o Options) error {
	o.KubeletDir = cmp.Or(o.KubeletDir, "/var/lib/kubelet")
	o.CAFile = cmp.Or(o.CAFile, filepath.Join(o.StateDir, "ca.pem"))
	objects := append(rbac(), o.secret(), o.daemonSet())
	for _, name := range Names() {
		objects = append(objects, &storagev1.CSIDriver{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       storagev1.CSIDriverSpec{AttachRequired: new(bool), PodInfoOnMount: new(true)},
		})
	}
	for _, class := range o.classes() {
		objects = append(objects, class)
	}
	if err := apply.Objects(ctx, api, objects...); err != nil {
		return fmt.Errorf("install the CSI driver: %w", err)
	}
	return nil
}

func meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: Namespace, Name: Name, Labels: map[string]string{"app": Name}}
}

// rbac lets the driver see claims and make volumes.
func rbac() []client.Object {
	rule := func(group string, verbs []string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
	}
	read := []string{"get", "list", "watch"}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta()},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: Name}, Rules: []rbacv1.PolicyRule{
			rule("", read, "nodes", "persistentvolumeclaims"),
			rule("", []string{"get", "list", "watch", "create", "delete"}, "persistentvolumes"),
			rule("", []string{"create"}, "events"),
			rule(storagev1.GroupName, read, "storageclasses"),
			rule(snapshotv1.GroupName, read, "volumesnapshots", "volumesnapshotclasses"),
			rule(snapshotv1.GroupName, []string{"*"}, "volumesnapshotcontents"),
			rule(snapshotv1.GroupName, []string{"patch"}, "volumesnapshots/status", "volumesnapshotcontents/status"),
		}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: Namespace, Name: Name}},
		},
	}
}

// secret is the access key, in the form of those in ACK clusters.
func (o Options) secret() client.Object {
	return &corev1.Secret{ObjectMeta: meta(), Data: map[string][]byte{
		"id": []byte(o.Account.AccessKeyID), "secret": []byte(o.Account.AccessKeySecret),
	}}
}

// daemonSet runs the driver on the node. It mounts for Pods, so that its mounts must show on the machine, and those of the
// machine in it.
func (o Options) daemonSet() client.Object {
	labels := map[string]string{"app": Name}
	key := func(name, of string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: Name}, Key: of,
		}}}
	}
	host := func(name, dir string) corev1.Volume {
		kind := corev1.HostPathDirectory
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir, Type: &kind}}}
	}
	return &appsv1.DaemonSet{ObjectMeta: meta(), Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			ServiceAccountName: Name, HostNetwork: true, PriorityClassName: "system-node-critical",
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			// Nothing waits for it to end: what it does can be done again.
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: Name, Image: o.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: o.arguments(),
				Env: []corev1.EnvVar{
					{Name: "NODE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}},
					key("ACCESS_KEY_ID", "id"), key("ACCESS_KEY_SECRET", "secret"),
				},
				SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "kubelet", MountPath: o.KubeletDir, MountPropagation: new(corev1.MountPropagationBidirectional)},
					{Name: "cloud", MountPath: o.StateDir, MountPropagation: new(corev1.MountPropagationHostToContainer)},
				},
			}},
			Volumes: []corev1.Volume{host("kubelet", o.KubeletDir), host("cloud", o.StateDir)},
		}},
	}}
}

// arguments are those of the program.
func (o Options) arguments() []string {
	objects := make([]string, 0, len(o.FileSystems))
	for _, name := range slices.Sorted(maps.Keys(o.FileSystems)) {
		objects = append(objects, "--cnfs="+name+"="+o.FileSystems[name])
	}
	return append([]string{
		"--node=$(NODE)", "--kubelet-dir=" + o.KubeletDir, "--region=" + o.Region, "--account=" + o.Account.ID,
		"--instance=" + o.Instance, "--zone=" + o.Zone, "--cloud-admin=" + o.AdminURL, "--cloud-proxy=" + o.ProxyURL, "--ca-file=" + o.CAFile,
	}, objects...)
}

// classes are the StorageClasses that a cluster of ACK has from the start.
func (o Options) classes() []*storagev1.StorageClass {
	disk := func(name, types string) *storagev1.StorageClass {
		return newClass(name, provisioner.DiskDriver, map[string]string{"type": types})
	}
	anywhere := disk("alicloud-disk-topology-alltype", "cloud_essd,cloud_ssd,cloud_efficiency")
	anywhere.VolumeBindingMode = new(storagev1.VolumeBindingWaitForFirstConsumer)
	all := []*storagev1.StorageClass{
		anywhere, disk("alicloud-disk-essd", "cloud_essd"), disk("alicloud-disk-ssd", "cloud_ssd"),
		disk("alicloud-disk-efficiency", "cloud_efficiency"),
	}
	if o.FileSystems[CNFS] != "" {
		files := newClass("alibabacloud-cnfs-nas", provisioner.NASDriver, map[string]string{
			"volumeAs": "subpath", "containerNetworkFileSystem": CNFS, "path": "/",
		})
		files.MountOptions = []string{"nolock,tcp,noresvport", "vers=3"}
		all = append(all, files)
	}
	for _, class := range all {
		if class.Name == o.DefaultClass {
			class.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
		}
	}
	return all
}

func newClass(name, driver string, parameters map[string]string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: driver, Parameters: parameters,
		ReclaimPolicy: new(corev1.PersistentVolumeReclaimDelete), AllowVolumeExpansion: new(true),
		VolumeBindingMode: new(storagev1.VolumeBindingImmediate),
	}
}
