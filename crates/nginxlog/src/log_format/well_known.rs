//! Formats that products ship with, word for word.

pub(super) const NAMES: [&str; 7] =
    ["combined", "main", "ingress-nginx", "kong", "apisix", "json", "labelled"];

pub(super) fn text(name: &str) -> Option<&'static str> {
    Some(match name {
        // nginx src/http/modules/ngx_http_log_module.c:230-233.
        "combined" => {
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#
        }
        // nginx/pkg-oss nginx.conf, in the packages of nginx.org.
        "main" => {
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#
        }
        // kubernetes/ingress-nginx internal/ingress/controller/config/config.go:54.
        "ingress-nginx" | "upstreaminfo" => {
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"#
        }
        // Kong kong/templates/nginx_kong.lua:66-69.
        "kong" => {
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" kong_request_id: "$kong_request_id""#
        }
        // apache/apisix apisix/cli/config.lua:141.
        "apisix" => {
            r#"$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent $request_time "$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time "$upstream_scheme://$upstream_host$upstream_uri" "$apisix_request_id""#
        }
        _ => return None,
    })
}
