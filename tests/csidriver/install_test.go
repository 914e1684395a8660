// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
)

func TestInstallTwiceIsAsOnce(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	options := csidriver.Options{
		Image: "csidriver:1", AdminURL: "http://10.0.0.1:1", ProxyURL: "http://10.0.0.1:2", StateDir: "/var/lib/cloud",
		Region: region, Instance: instance, Zone: zone, Account: csidriver.Account{ID: account, AccessKeyID: "id", AccessKeySecret: "s"},
		FileSystems: map[string]string{csidriver.CNFS: server}, DefaultClass: "alicloud-disk-topology-alltype",
	}
	for _, image := range []string{"csidriver:1", "csidriver:2"} {
		options.Image = image
		if err := csidriver.Install(t.Context(), api, options); err != nil {
			t.Fatal(err)
		}
	}
	set := &appsv1.DaemonSet{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: csidriver.Namespace, Name: csidriver.Name}, set); err != nil {
		t.Fatal(err)
	}
	container := set.Spec.Template.Spec.Containers[0]
	equal(t, "the image", container.Image, "csidriver:2")
	equal(t, "the arguments", container.Args, []string{
		"--node=$(NODE)", "--kubelet-dir=/var/lib/kubelet", "--region=cn-hangzhou", "--account=" + account, "--instance=i-worker",
		"--zone=cn-hangzhou-h", "--cloud-admin=http://10.0.0.1:1", "--cloud-proxy=http://10.0.0.1:2", "--ca-file=/var/lib/cloud/ca.pem",
		"--cnfs=cnfs-nas-filesystem=" + server,
	})
	var drivers storagev1.CSIDriverList
	var classes storagev1.StorageClassList
	for _, list := range []client.ObjectList{&drivers, &classes} {
		if err := api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, d := range drivers.Items {
		names = append(names, d.Name)
	}
	for _, c := range classes.Items {
		names = append(names, c.Name)
	}
	equal(t, "drivers and classes", names, []string{
		"diskplugin.csi.alibabacloud.com", "nasplugin.csi.alibabacloud.com", "ossplugin.csi.alibabacloud.com",
		"alibabacloud-cnfs-nas", "alicloud-disk-efficiency", "alicloud-disk-essd", "alicloud-disk-ssd", "alicloud-disk-topology-alltype",
	})
}
