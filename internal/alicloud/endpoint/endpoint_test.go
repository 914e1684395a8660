// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/url"
	"testing"
)

func TestOSS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		network Network
		want    string
	}{
		{"the Internet", Public, "https://oss-cn-hangzhou.aliyuncs.com"},
		{"Alibaba Cloud's own network", Internal, "https://oss-cn-hangzhou-internal.aliyuncs.com"},
		{"acceleration has one endpoint for all regions", Accelerate, "https://oss-accelerate.aliyuncs.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := OSS("cn-hangzhou", tt.network).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRegionOfOSS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, endpoint, region string
		internal               bool
	}{
		{"a public endpoint", "https://oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou", false},
		{"an internal endpoint", "https://oss-ap-southeast-1-internal.aliyuncs.com", "ap-southeast-1", true},
		{"an endpoint with the bucket in front", "https://velero.oss-us-west-1.aliyuncs.com", "us-west-1", false},
		{"a finance region's irregular endpoint", "https://oss-cn-hzjbp-a-internal.aliyuncs.com", "", true},
		{"a finance region's irregular public endpoint", "https://oss-cn-hzfinance.aliyuncs.com", "", false},
		{"the government region's public endpoint", "https://oss-cn-north-2-gov-1.aliyuncs.com", "cn-north-2-gov-1", false},
		{"the government region's internal endpoint", "https://oss-cn-north-2-gov-1-internal.aliyuncs.com", "cn-north-2-gov-1", true},
		{"the government region's dual-stack endpoint", "https://cn-north-2-gov-1.oss.aliyuncs.com", "cn-north-2-gov-1", false},
		{"the accelerated endpoint names no region", "https://oss-accelerate.aliyuncs.com", "", false},
		{"the accelerated endpoint abroad names no region", "https://oss-accelerate-overseas.aliyuncs.com", "", false},
		{"a dual-stack endpoint", "https://cn-hangzhou.oss.aliyuncs.com", "cn-hangzhou", false},
		{"a dual-stack endpoint with the bucket in front", "https://velero.ap-southeast-1.oss.aliyuncs.com", "ap-southeast-1", false},
		{"the oldest endpoint names no region", "https://oss.aliyuncs.com", "", false},
		{"an OSS accelerator's endpoint is that of another service", "https://cn-hangzhou-internal.oss-data-acc.aliyuncs.com", "", false},
		{"a CloudBox has an id in place of a region", "https://cb-1.cn-hangzhou.oss-cloudbox.aliyuncs.com", "", false},
		{"a domain of the user's own", "https://backups.example.com", "", false},
		{"an address", "http://127.0.0.1:9000", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			endpoint, err := url.Parse(tt.endpoint)
			if err != nil {
				t.Fatal(err)
			}
			region, internal := RegionOfOSS(endpoint)
			if region != tt.region || internal != tt.internal {
				t.Errorf("got %q, %v, want %q, %v", region, internal, tt.region, tt.internal)
			}
		})
	}
}

func TestRPC(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		product Product
		network Network
		want    string
		vpc     bool
	}{
		{"the Internet", ECS, Public, "https://ecs.cn-hangzhou.aliyuncs.com", false},
		{"inside VPCs", ECS, VPC, "https://ecs-vpc.cn-hangzhou.aliyuncs.com", true},
		{"the Internet where nothing is said", ECS, "", "https://ecs.cn-hangzhou.aliyuncs.com", false},
		{"Cloud Backup on the Internet", HBR, Public, "https://hbr.cn-hangzhou.aliyuncs.com", false},
		{"Cloud Backup inside VPCs", HBR, VPC, "https://hbr-vpc.cn-hangzhou.aliyuncs.com", true},
		{"NAS on the Internet", NAS, Public, "https://nas.cn-hangzhou.aliyuncs.com", false},
		{"NAS inside VPCs", NAS, VPC, "https://nas-vpc.cn-hangzhou.aliyuncs.com", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := RPC(tt.product, "cn-hangzhou", tt.network)
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if region, vpc := RegionOfRPC(tt.product, got); region != "cn-hangzhou" || vpc != tt.vpc {
				t.Errorf("its region is %q, inside VPCs: %v", region, vpc)
			}
		})
	}
	for _, other := range []string{
		"ecs.aliyuncs.com", "ecs-cn-hangzhou.aliyuncs.com", "ecs.example.com", "127.0.0.1",
		"hbr.cn-hangzhou.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com", "my.ecs.cn-hangzhou.aliyuncs.com",
	} {
		if region, vpc := RegionOfRPC(ECS, &url.URL{Host: other}); region != "" || vpc {
			t.Errorf("%s is taken for the endpoint of ECS in %s", other, region)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		wantErr          bool
	}{
		{name: "a host is taken as https", text: "oss-cn-hangzhou.aliyuncs.com", want: "https://oss-cn-hangzhou.aliyuncs.com"},
		{name: "a URL stays what it is", text: "https://oss-cn-hangzhou.aliyuncs.com", want: "https://oss-cn-hangzhou.aliyuncs.com"},
		{name: "a slash at the end is forgiven", text: " https://oss-cn-hangzhou.aliyuncs.com/ ", want: "https://oss-cn-hangzhou.aliyuncs.com"},
		{name: "plain http has to be written", text: "http://127.0.0.1:9000", want: "http://127.0.0.1:9000"},
		{name: "an address without a scheme is https too", text: "127.0.0.1:9000", want: "https://127.0.0.1:9000"},
		{name: "nothing", text: "", wantErr: true},
		{name: "another scheme", text: "oss://bucket", wantErr: true},
		{name: "a bucket in the path", text: "https://oss-cn-hangzhou.aliyuncs.com/bucket", wantErr: true},
		{name: "a query", text: "https://oss-cn-hangzhou.aliyuncs.com?x=y", wantErr: true},
		{name: "credentials in front of the host", text: "https://user:pass@oss-cn-hangzhou.aliyuncs.com", wantErr: true},
		{name: "not a URL", text: "https://%zz", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.text)
			if (err != nil) != tt.wantErr {
				t.Fatalf("error = %v, want one: %v", err, tt.wantErr)
			}
			if err == nil && got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"oss-cn-hangzhou.aliyuncs.com", "http://127.0.0.1:1", "https://a/b", "://", "[::1]:9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		endpoint, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(endpoint.String())
		if err != nil || again.String() != endpoint.String() {
			t.Errorf("Parse(%q) = %q, which parses to %v, %v", text, endpoint, again, err)
		}
	})
}

func TestEndpointsOfThisMachine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, endpoint      string
		loopback, pathStyle bool
	}{
		{"the loopback address", "http://127.0.0.1:9000", true, true},
		{"the loopback address of IPv6", "http://[::1]:9000", true, true},
		{"localhost", "http://localhost:9000", true, true},
		{"another address", "http://192.0.2.1", false, true},
		{"a host of the cluster", "http://oss.default", false, false},
		{"OSS", "https://oss-cn-hangzhou.aliyuncs.com", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			endpoint, err := url.Parse(tt.endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if got := IsLoopback(endpoint); got != tt.loopback {
				t.Errorf("IsLoopback = %v, want %v", got, tt.loopback)
			}
			if got := NeedsPathStyle(endpoint); got != tt.pathStyle {
				t.Errorf("NeedsPathStyle = %v, want %v", got, tt.pathStyle)
			}
		})
	}
}
