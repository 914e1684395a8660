// SPDX-License-Identifier: Apache-2.0

// Package cloudcontroller is a double of the cloud controller manager (CCM) of Alibaba Cloud's clusters, as far as Services of
// type LoadBalancer go: it makes load balancers of package slb or uses existing ones, refuses what the real one refuses in its
// words, leaves its marks on Services, and takes back what it made when they are deleted.
//
//	controller, err := cloudcontroller.Start(ctx, api, cloudcontroller.Options{
//		LoadBalancers: account.In("cn-hangzhou"), ClusterID: "c-source",
//	})
//	defer controller.Close()
//
// The rules are those of the real one's source (kubernetes/cloud-provider-alibaba-cloud, pkg/controller/service), with which
// Alibaba Cloud's "Considerations for configuring a LoadBalancer Service" and "Service errors and solutions" agree:
//
//   - A Service is handled by the controller of CLB unless it has a loadBalancerClass, and by that of NLB where the class is
//     alibabacloud.com/nlb. One that has the finalizer is handled whatever it is now, so that it can be cleaned up.
//   - Annotations have the prefix service.beta.kubernetes.io/alibaba-cloud-loadbalancer-; where that one is not there, the older
//     …/alicloud-loadbalancer- counts.
//   - A load balancer of its own is found by the tag kubernetes.do.not.delete, whose value is made of the Service's UID.
//   - The label service.beta.kubernetes.io/hash tells that the load balancer and its listeners are done: where it is that of the
//     Service's content, only the servers are brought up to date.
//   - With the annotation -id, an existing load balancer is used: only one that no controller has made, and no other than the
//     one that the status tells of. It is never deleted. Unless -force-override-listeners is "true", its listeners are neither
//     read nor changed; if it is, a listener at a port of the Service is taken over, whoever made it.
//   - Server groups are named k8s/<node port>/<service>/<namespace>/<cluster>, and listeners described likewise by their port:
//     what is named so for another Service or cluster is left alone.
//
// What differs from the real one: what it refused it tries again at the next round and not after 5 seconds to 5 minutes, and
// tells each message once for a Service; a node without a providerID is known by its name; what only tunes a listener (health
// checks, certificates, ACLs and so on) is not read; security groups of an NLB are not made.
package cloudcontroller
